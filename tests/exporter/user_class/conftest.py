"""What of this folder is no test."""

collect_ignore = ["example"]
"""A user's files: they are found where a user's files are found, and not from here."""
