"""The stats service and its clients: events taken in over HTTP, and the access tokens that allow it."""
