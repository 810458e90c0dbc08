"""stats-service, its client, and the commands that make tokens and users files."""
