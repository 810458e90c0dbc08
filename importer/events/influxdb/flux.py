"""Events looked up in InfluxDB 2.x by Flux, whose answers are CSV with the type of each column.

https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/ and
https://docs.influxdata.com/flux/v0/spec/lexical-elements/#string-literals (2026-11-28)
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from importer.credentials import redact
from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.events.event_time import format_time, parse_time
from importer.events.influxdb.versions import last_posted, without_replaced
from importer.events.query import MAX_LISTED, Query
from importer.sinks.influxdb_api import InfluxdbApi
from importer.sinks.influxdb_target import Bucket

_FIRST_NS, _LAST_NS = -(2**63) + 1_000_000, 2**63 - 1_000_000
_MAX_POINTS = 100
"""So many points of one id are looked at."""
_UNSAFE = re.compile(r'["\\$\0-\x1f\x7f]')
"""What ends a string or begins something else in it; each is told by its number."""
_MAX_CELL = 2**25
"""What HttpClient takes of an answer; Python has less."""
_OWN_COLUMNS = frozenset({"", "result", "table", "_start", "_stop", "_time", "_measurement", "_field", "_value"})
_DIALECT = {"annotations": ["datatype"], "header": True, "dateTimeFormat": "RFC3339Nano"}
_READERS: Mapping[str, Callable[[str], object]] = {
    "long": int,
    "unsignedLong": int,
    "double": float,
    "boolean": lambda text: text == "true",
}

FluxRow = dict[str, Any]
"""Column -> value, of the column's type."""


class FluxQuery:
    """Asks one bucket; see `importer.events.influxdb.query`."""

    def __init__(self, lane: str, api: InfluxdbApi, bucket: Bucket, table: str) -> None:
        self._lane = lane
        self._api = api
        self._bucket = bucket
        self._table = table

    def find(self, event_id: str) -> dict[str, object] | None:
        """Return the event of an id with its `time`, the one that was posted last; None where there is none."""
        wanted = event_id.lower()
        condition = f'r._field == "event_id" and strings.toLower(v: r._value) == {flux_text(wanted)}'
        found = self._ask(
            f'import "strings"\n{self._rows(_FIRST_NS, _LAST_NS, condition)}'
            ' |> keep(columns: ["_time"]) |> group() |> sort(columns: ["_time"], desc: true)'
            f" |> limit(n: {_MAX_POINTS})"
        )
        events = self._events(_times(found))
        same = [event for event in events if str(event.get("event_id", "")).lower() == wanted]
        return last_posted(same[::-1]) if same else None

    def recent(self, query: Query) -> list[dict[str, object]]:
        """Return the events that a query asks for, newest first."""
        asked = {name: text for name, text in (("event", query.event), ("uid", query.uid)) if text is not None}
        names = " or ".join(f'r._field == "{name}"' for name in ("event_id", *asked))
        start = _FIRST_NS if query.from_ns is None else query.from_ns
        stop = _LAST_NS if query.to_ns is None else query.to_ns
        if start >= stop:
            return []
        flux = f'{self._rows(start, stop, f"({names})")} |> toString() |> keep(columns: ["_time", "_field", "_value"])'
        flux += ' |> group() |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        for name, text in asked.items():
            flux += f" |> filter(fn: (r) => r.{name} == {flux_text(text)})"
        limit = min(query.limit, MAX_LISTED)
        flux += f' |> keep(columns: ["_time"]) |> sort(columns: ["_time"], desc: true) |> limit(n: {limit})'
        events = self._events(_times(self._ask(flux)))
        wanted = (event for event in events if all(str(event.get(name)) == text for name, text in asked.items()))
        return without_replaced(wanted)[:limit]

    def _rows(self, start: int, stop: int, condition: str) -> str:
        source = f"from(bucket: {flux_text(self._bucket.name)})"
        source += f" |> range(start: {format_time(start)}, stop: {format_time(stop)})"
        return f"{source} |> filter(fn: (r) => r._measurement == {flux_text(self._table)} and {condition})"

    def _events(self, times: Iterable[int]) -> list[dict[str, object]]:
        """Return the events of some times, newest first."""
        chosen = sorted(set(times))
        if not chosen:
            return []
        literals = ", ".join(map(format_time, chosen))
        flux = self._rows(chosen[0], chosen[-1] + 1, f"contains(value: r._time, set: [{literals}])")
        events: dict[object, dict[str, object]] = {}
        for row in self._ask(flux):
            tags = frozenset((name, text) for name, text in row.items() if name not in _OWN_COLUMNS)
            event = events.setdefault((row["_time"], tags), {"time": row["_time"]})
            event[row["_field"]] = row["_value"]
        shown = ({**event, "time": format_time(parse_time(event["time"]) or 0)} for event in events.values())
        return sorted(shown, key=lambda event: str(event["time"]), reverse=True)

    def _ask(self, flux: str) -> list[FluxRow]:
        try:
            response = self._api.read(
                "POST",
                "/api/v2/query",
                params={"org": self._bucket.org} if self._bucket.org else None,
                json={"query": flux, "type": "flux", "dialect": _DIALECT},
                headers={"Accept": "application/csv"},
            )
            return [] if response is None else read_flux(self._lane, response.body)
        except Rejected as error:
            raise SinkRefused(self._lane, error.reason) from error


def flux_text(text: str) -> str:
    r"""Return a text as Flux reads it.

    >>> print(flux_text('a "b" ${c}'))
    "a \x22b\x22 \x24{c}"
    """
    written = _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return f'"{written}"'


def read_flux(lane: str, body: bytes) -> list[FluxRow]:
    """Return the rows of all tables of an answer.

    Raises SinkUnavailable for an error that it tells of, SinkRefused for what is no answer of InfluxDB.
    """
    try:
        rows = list(_flux_rows(body.decode()))
    except (ValueError, csv.Error) as error:
        raise SinkRefused(lane, f"what answers is no InfluxDB: {error}; correct url of influxdb") from error
    for row in rows:
        if "error" in row and "_value" not in row and "_time" not in row:
            raise SinkUnavailable(lane, redact(str(row["error"])))
    return rows


def _flux_rows(text: str) -> Iterator[FluxRow]:
    kinds: list[str] = []
    names: list[str] = []
    csv.field_size_limit(_MAX_CELL)
    for cells in csv.reader(io.StringIO(text, newline="")):
        if not cells:
            names = []
        elif cells[0] == "#datatype":
            kinds, names = cells, []
        elif not names:
            if not kinds and cells[0] not in ("", "error"):
                raise ValueError("it gives no table")
            names = cells
        else:
            yield {
                name: _READERS.get(kind, str)(cell)
                for name, kind, cell in zip(names, kinds or ["string"] * len(names), cells, strict=True)
                if name and (cell or name == "_value")
            }


def _times(rows: Iterable[FluxRow]) -> Iterator[int]:
    for row in rows:
        time = parse_time(row.get("_time"))
        if time is not None:
            yield time
