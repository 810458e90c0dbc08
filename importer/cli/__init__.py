"""One module a family of commands: each parses flags, builds a job and starts it."""
