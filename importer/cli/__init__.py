"""A package a family of commands: each command parses flags, builds a job and starts it.

Begin with `apteligent/main.py`.
"""
