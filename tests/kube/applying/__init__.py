"""The parts of the apply engine, each by itself and against the fake and the real API server."""
