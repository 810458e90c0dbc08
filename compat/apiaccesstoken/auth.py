"""Old import path of two functions that are methods of UserAccess."""

from importer.events.tokens.middleware import UserAccess

__all__ = ["auth_required", "user_for_login"]

auth_required = UserAccess.auth_required
user_for_login = UserAccess.user_for_login
