"""Old import path of the helpers for Google Analytics."""
