"""Bundled addons, one folder each. Found by `sloth.registry`; never imported by name."""

if __name__ == "addons":
    raise ImportError("go through sloth.registry: imported by its bare name, every class of a plugin would exist twice")
