"""From what nodes answered to a severity: pure functions. What could not be read is unknown, never healthy."""
