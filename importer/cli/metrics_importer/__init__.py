"""metrics-importer: looks at all other commands, and moves what they keep."""
