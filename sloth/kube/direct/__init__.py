"""HTTP/1.1 straight over a socket, for the sync front: what most calls need, without the import and the layers of a library."""
