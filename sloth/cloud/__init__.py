"""What is decided about machines at clouds: where each one goes and what it is told at boot. Pure functions, no I/O."""
