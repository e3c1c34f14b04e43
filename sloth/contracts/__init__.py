"""What core asks of adapters and plugins. ABCs where strangers subclass, Protocols where core injects."""
