"""Writes a first configuration of a vendor and a store."""
