"""From Pingdom's answers to checks, tests and hours. The vendor guarantees no attribute: what is absent is left out.

Pages: https://docs.pingdom.com/api/ (Checks, Results, Summary.performance), looked at in November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from importer.points import MAX_TIMESTAMP

HOUR_FIELDS = ("avgresponse", "uptime", "downtime", "unmonitored")


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the account, and what its last test came to."""

    id: int
    name: str
    status: str
    """`up`, `down`, `unconfirmed_down`, `unknown` or `paused`; empty if not given."""
    response_ms: float | None
    tested_at: int | None
    """When it was last tested, in seconds since 1970 UTC."""
    interval_seconds: int = 60
    """How often it is tested."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one test came to."""

    tested_at: int
    """In seconds since 1970 UTC."""
    status: str
    """As that of a check."""
    response_ms: float | None


@dataclass(frozen=True, slots=True)
class Hour:
    """What a check came to in one hour."""

    start: int
    """In seconds since 1970 UTC."""
    figures: Mapping[str, float]
    """Those of HOUR_FIELDS that are given: `avgresponse` in milliseconds, the others in seconds of the hour."""


def parse_checks(answer: object) -> list[Check]:
    """Return the checks in the answer to `checks`, in its order; raises ValueError for anything else.

    >>> parse_checks({"checks": [{"id": 101, "name": "shop", "status": "up", "lastresponsetime": 721}]})
    [Check(id=101, name='shop', status='up', response_ms=721, tested_at=None, interval_seconds=60)]
    """
    checks = answer.get("checks") if isinstance(answer, Mapping) else None
    if not isinstance(checks, list):
        raise ValueError('the list of checks holds no "checks"')
    return [_check(check) for check in checks if isinstance(check, Mapping) and _is_check(check)]


def parse_results(answer: object) -> list[Result]:
    """Return the tests in the answer to `results`, oldest first; raises ValueError for anything else."""
    results = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(results, list):
        raise ValueError('the list of tests holds no "results"')
    return sorted((_result(result) for result in results), key=lambda result: result.tested_at)


def parse_hours(answer: object) -> list[Hour]:
    """Return the hours in the answer to `summary.performance`, in its order; raises ValueError for anything else."""
    summary = answer.get("summary") if isinstance(answer, Mapping) else None
    hours = summary.get("hours") if isinstance(summary, Mapping) else None
    if not isinstance(hours, list):
        raise ValueError('the summary holds no "hours"')
    return [_hour(hour) for hour in hours]


def _is_check(check: Mapping[str, object]) -> bool:
    return _whole(check.get("id")) is not None and isinstance(check.get("name"), str)


def _check(check: Mapping[str, object]) -> Check:
    minutes = _whole(check.get("resolution"))
    return Check(
        id=_whole(check["id"]) or 0,
        name=str(check["name"]),
        status=_text(check.get("status")),
        response_ms=_number(check.get("lastresponsetime")),
        tested_at=_time(check.get("lasttesttime")),
        interval_seconds=60 * max(1, minutes or 1),
    )


def _result(result: object) -> Result:
    tested_at = _time(result.get("time")) if isinstance(result, Mapping) else None
    if tested_at is None or not isinstance(result, Mapping):
        raise ValueError('a test has no "time" in seconds since 1970')
    return Result(tested_at, _text(result.get("status")), _number(result.get("responsetime")))


def _hour(hour: object) -> Hour:
    start = _time(hour.get("starttime")) if isinstance(hour, Mapping) else None
    if start is None or not isinstance(hour, Mapping):
        raise ValueError('an hour of the summary has no "starttime" in seconds since 1970')
    figures = {name: figure for name in HOUR_FIELDS if (figure := _number(hour.get(name))) is not None}
    return Hour(start, figures)


def _time(value: object) -> int | None:
    seconds = _whole(value)
    return seconds if seconds is not None and 0 <= seconds < MAX_TIMESTAMP else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
