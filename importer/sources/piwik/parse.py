"""From Piwik's answers to rows of a day, week or month, and to the number of visitors of the last minutes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")


@dataclass(frozen=True, slots=True)
class Row:
    """What Piwik says of one period, or of one thing in it."""

    start: datetime
    """The period's first day, at 00:00 UTC."""
    fields: Mapping[str, object]


def parse_rows(answer: object) -> list[Row]:
    """Return the rows of an answer whose keys are periods, in its order; raises ValueError for anything else.

    >>> parse_rows({"From 2015-05-25 to 2015-05-31": {"nb_conversions": 791}, "2015-06": []})[0].fields
    {'nb_conversions': 791}
    """
    if answer == []:  # PHP writes an empty object so
        return []
    if not isinstance(answer, Mapping):
        raise ValueError("the answer is no object whose keys are dates")
    return [Row(first_day(key), fields) for key, rows in answer.items() for fields in _fields_of(key, rows)]


def first_day(key: str) -> datetime:
    """Return the first date in a key such as `2015-02-13`, `2015-02` or `From 2015-02-09 to 2015-02-15`.

    Raises ValueError where there is none.
    """
    found = _DATE.search(key)
    if found is None:
        raise ValueError(f'"{key:.60}" holds no date such as 2015-02-13 or 2015-02')
    text = found[0] if found[1] else f"{found[0]}-01"
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def parse_visitors(answer: object) -> int:
    """Return how many visitors the answer to Live.getCounters tells; raises ValueError for anything else.

    >>> parse_visitors([{"visits": "60", "visitors": "53"}])
    53
    """
    first = answer[0] if isinstance(answer, list) and answer else None
    visitors = first.get("visitors") if isinstance(first, Mapping) else None
    if isinstance(visitors, bool) or not isinstance(visitors, int | str) or not re.fullmatch(r"\d+", str(visitors)):
        raise ValueError("the answer tells no number of visitors")
    return int(visitors)


def _fields_of(key: str, rows: object) -> Iterator[Mapping[str, object]]:
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, Mapping):
            raise ValueError(f'"{key:.60}" holds neither a row nor a list of rows')
        if row:
            yield row
