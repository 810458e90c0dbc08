"""The dates of a command line as vendors ask for them, where the vendor itself makes periods of them."""

from collections.abc import Callable
from datetime import date

from importer.collector.periods import a_day_ago, to_date
from importer.errors import ImporterError


class BadDates(ImporterError, ValueError):
    """The start of a collection is after its end."""

    def __init__(self, start: date, end: date) -> None:
        super().__init__(f"Bad dates: the start {start} is after the end {end}")


def first_and_last_day(
    start_at: date | None, end_at: date | None, *, yesterday: Callable[[], date] = a_day_ago
) -> tuple[date, date] | None:
    """Return the first and last day of a collection, None where neither is given; raises BadDates.

    Without an end it is yesterday, UTC; without a start, the day of the end alone.
    """
    start, end = to_date(start_at), to_date(end_at)
    if start is None and end is None:
        return None
    last = end or yesterday()
    first = start or last
    if first > last:
        raise BadDates(first, last)
    return first, last
