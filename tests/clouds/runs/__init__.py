"""The whole `sloth` program with the real engine and fake clouds: all of it that needs no connection to nodes."""
