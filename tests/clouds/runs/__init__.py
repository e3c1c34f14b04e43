"""The whole `sloth` program, as users run it, with the real engine and fake clouds: all of `up` that needs no connection to nodes."""
