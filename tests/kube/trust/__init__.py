"""Trust in the client: audit, telemetry, credentials, faults."""
