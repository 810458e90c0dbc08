"""HTTP servers of ours that play vendors and stores on loopback, for tests and the demo."""
