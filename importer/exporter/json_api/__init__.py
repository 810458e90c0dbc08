"""A service that is nothing but configuration: what is asked of an API, and which metrics its JSON becomes."""
