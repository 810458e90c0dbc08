"""How many searches may be under way at once, by the number of files and connections that the system lets us have."""

import resource

RESERVED = 100
"""Descriptors for everything else: the outbox, logs, what Python and its libraries open."""
PER_SEARCH = 4
"""Descriptors for a search under way: to the query API, to its destination, what its lane kept, and one to spare."""


def searches_at_once(wanted: int) -> int:
    """Return how many of so many searches may be under way at once, two at the least."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    bound = wanted if soft == resource.RLIM_INFINITY else (soft - RESERVED) // PER_SEARCH
    return max(2, min(wanted, bound))
