"""What can be seen of requests: observers at the one place in the transport, metrics and spans."""
