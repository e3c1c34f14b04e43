"""HTTP/2 and protobuf: the options of the transport."""
