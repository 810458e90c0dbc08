"""Destinations: one module a protocol, imported when a configuration names it.

A destination is described by an object with a `protocol` and that protocol's keys, the same for every command.
"""
