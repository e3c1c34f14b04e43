"""Text files only: example specs, cloud-init, units. Read with `importlib.resources.files("sloth.templates")`."""
