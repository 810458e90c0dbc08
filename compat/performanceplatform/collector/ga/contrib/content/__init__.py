"""Old place of entrypoints for the content of sites."""
