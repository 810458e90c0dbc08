"""A service by a user's own class, as Collectington had them: loaded, polled, and what the class may use."""
