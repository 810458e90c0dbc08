"""How often a vendor lets itself be asked, where that is known: a configuration may ask more often without noticing."""

from urllib.parse import urlsplit

ONCALL_REPORTING_SECONDS = 60
"""Splunk On-Call answers a call below /api-reporting/ once a minute (its API description 0.0.3, checked 2026-11-28)."""

_PATH = "/api-reporting/"
_MORE_OFTEN = "/oncall/log"
"""This one it answers 60 times a minute."""


def pace_warning(url: str, interval_seconds: float | None, cache_seconds: float = 0.0) -> str | None:
    """Return what is wrong with asking a URL so often, None if nothing is.

    `cache_seconds` is how long an answer is kept and used in place of another request; the interval may not be known.

    >>> pace_warning("https://api.victorops.com/api-reporting/v2/incidents", 2, 30)
    'asks every 30 s, but api-reporting answers once a minute (403 otherwise); set api_call_intervals to 60'
    >>> pace_warning("https://api.victorops.com/api-reporting/v2/incidents", 2, 60)
    """
    try:
        path = urlsplit(url).path
    except ValueError:  # told when it is asked
        return None
    if interval_seconds is None:
        return None
    seconds = max(interval_seconds, cache_seconds)
    if _PATH not in path or path.endswith(_MORE_OFTEN) or seconds >= ONCALL_REPORTING_SECONDS:
        return None
    return (
        f"asks every {seconds:g} s, but api-reporting answers once a minute (403 otherwise); "
        f"set api_call_intervals to {ONCALL_REPORTING_SECONDS}"
    )
