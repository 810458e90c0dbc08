"""Old import path of the access tokens."""
