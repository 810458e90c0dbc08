"""What is asked about one period, in the names of the query, and the rows that come back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NotRequired, TypedDict

from importer.errors import SourceError
from importer.sources.google.names import SOURCE, bare


class Row(TypedDict):
    """One row of an answer."""

    metrics: dict[str, str]
    """Name as written in the query -> number as text."""
    dimensions: NotRequired[dict[str, str | datetime]]
    """Name as written in the query -> value; with a dimension `date`, `datetime` too (UTC without a zone)."""
    start_date: date
    end_date: date


@dataclass(frozen=True, slots=True)
class Question:
    """One query about one period, both days included."""

    id: str
    """View id without `ga:`, or a property."""
    start: date
    end: date
    metrics: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    max_results: int | None = None
    """None for all rows."""
    segment: str = ""

    def row(self, dimensions: Sequence[str], metrics: Sequence[str]) -> Row:
        """Return a row with these values, which are in the order of the question's names."""
        row: Row = {
            "metrics": dict(zip(self.metrics, metrics, strict=True)),
            "start_date": self.start,
            "end_date": self.end,
        }
        if self.dimensions:
            values = dict(zip(self.dimensions, dimensions, strict=True))
            row["dimensions"] = {**values, **_moment(values)}
        return row

    def wants_more(self, received: int) -> bool:
        """Return whether rows are still wanted after so many."""
        return self.max_results is None or received < self.max_results


def names_in(value: object, key: str) -> tuple[str, ...]:
    """Return the names that `key` holds: a list, or text with commas. Raises SourceError, with the key, for others."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return texts_in(value, key)


def texts_in(value: object, key: str) -> tuple[str, ...]:
    """Return the texts that `key` holds: a list, or one. Raises SourceError, with the key, for others."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise SourceError(SOURCE, f"{key}: is neither text nor a list of text")
    return tuple(value)


def limited(question: Question, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield as many rows as the question wants at the most."""
    for number, row in enumerate(rows):
        if not question.wants_more(number):
            return
        yield row


def _moment(dimensions: Mapping[str, str]) -> dict[str, datetime]:
    values = {bare(name): value for name, value in dimensions.items()}
    if "date" not in values:
        return {}
    try:
        moment = datetime.strptime(values["date"], "%Y%m%d")  # noqa: DTZ007 - a day of the view's own zone
        return {"datetime": moment.replace(hour=int(values.get("hour", "0")))}
    except ValueError:  # "(other)"
        return {}
