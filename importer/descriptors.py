"""How many files and connections this process may have open."""

import resource


def raise_limit() -> None:
    """Let this process have as many descriptors as its user may give it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
