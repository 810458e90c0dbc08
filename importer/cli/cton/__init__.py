"""cton."""
