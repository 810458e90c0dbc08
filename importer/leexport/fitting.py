"""Whether an answer is of the kind that a service can push."""

from collections.abc import Mapping, Sequence
from typing import Any

from importer.errors import ImporterError
from importer.sources.logentries.statistics import Statistics, parse_statistics

Answer = Mapping[str, Any]
"""A final answer of the query API, as parsed from JSON: what services have always been given."""


class Unfit(ImporterError):
    """An answer is not of the kind that a service can push, such as groups for a line chart."""


def statistics_of(answer: Answer) -> Statistics:
    """Return the statistics in an answer; raises Unfit where there are none, or none that can be read."""
    try:
        return parse_statistics(answer)
    except ValueError as error:
        raise Unfit(str(error)) from error


def times_ms(statistics: Statistics) -> Sequence[int]:
    """Return the time of each point of the series, in ms since 1970 UTC; raises Unfit where the answer lacks them."""
    try:
        return statistics.times_ms()
    except ValueError as error:
        raise Unfit(str(error)) from error


def time_texts(statistics: Statistics) -> Sequence[str]:
    """Return the time of each point of the series, in ISO 8601, UTC; raises Unfit where the answer lacks them."""
    try:
        return statistics.time_texts()
    except ValueError as error:
        raise Unfit(str(error)) from error


def unfit(service: str, wanted: str, statistics: Statistics) -> Unfit:
    """Return the error that says what a service needs, and what it got."""
    return Unfit(f"{service} needs {wanted}; the answer has {statistics.kind}")
