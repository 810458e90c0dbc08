"""Old import path of the exceptions."""
