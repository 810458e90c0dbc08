"""What `make run` shows: each family at work against simulators."""
