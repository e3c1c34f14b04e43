"""sloth's engine adapter with the real command line, against the fake of one cloud."""
