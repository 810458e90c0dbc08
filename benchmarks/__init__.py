"""What the figures in docs/performance.md come from; `make bench` runs all of it."""
