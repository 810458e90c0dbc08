"""Old import paths of the stats client's modules."""
