"""Old import paths of what collectors share."""
