"""The HTTP client of destinations that show people the state of now, where a push may not wait long for its turn."""

from importer.http_client import HttpClient, RetryPolicy

PUSH_RETRIES = RetryPolicy(extra_attempts=3, pause_seconds=0.5, waits_for_all=False)
"""Four tries, with pauses of 0.5, 1 and 2 seconds unless the server asks for another."""


def push_client(base_url: str) -> HttpClient:
    """Return a client that repeats a failing request by PUSH_RETRIES; raises ValueError for what is no address."""
    return HttpClient(base_url, retries=PUSH_RETRIES, uniform=lambda _shortest, longest: longest)
