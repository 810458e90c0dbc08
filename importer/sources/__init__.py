"""Vendors that we pull from, one module each."""
