"""The outside world: SSH, files, artifact stores. Foreign exceptions end here."""
