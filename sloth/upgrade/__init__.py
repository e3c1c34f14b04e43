"""What decides an upgrade, as pure functions: versions and their skew, removed APIs, batches, health before and after."""
