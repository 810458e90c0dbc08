"""Events looked up in InfluxDB, where they are kept that the service has delivered, and those of the old service.

1.x and 3.x are asked by InfluxQL, 2.x by Flux (`importer.events.influxdb.flux`).
"""

import logging
import re
from collections.abc import Callable
from typing import TypeVar

from importer.errors import Rejected, SinkRefused
from importer.events.event_time import parse_time
from importer.events.influxdb.answer import Frame, event_of, float_fields, read_frames
from importer.events.influxdb.flux import FluxQuery
from importer.events.influxdb.lines import clean_name
from importer.events.influxdb.server import V2, V3, InfluxdbServer
from importer.events.influxdb.versions import last_posted, without_replaced
from importer.events.query import MAX_LISTED, Query
from importer.http_client import HttpClient, RetryPolicy
from importer.sinks.influxdb_api import InfluxdbApi
from importer.sinks.influxdb_target import Bucket

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
_RETRIES = RetryPolicy(extra_attempts=1, max_waits=0)
"""Somebody waits for the answer."""
_QUERYABLE = re.compile(r"[^\0-\x1f\x7f]*")
_WORD = re.compile(r"\w", re.ASCII)


class InfluxdbQuery:
    """Asks one database or bucket; may be used from several threads at once."""

    def __init__(self, server: InfluxdbServer, *, table: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`table` is the measurement of 1.0 events. Raises ValueError for no http(s) address."""
        lane = server.lane
        client = HttpClient(server.url, retries=_RETRIES, timeout_seconds=timeout_seconds)
        self._lane = lane
        self._api = InfluxdbApi(lane, client, target=server.target, credentials=server.credentials)
        self._database = server.target.name
        self._table = clean_name(table, measurement=True)
        self._is_exact = server.api == V3
        """Whether answers tell floats from integers, and have no second column of what is a tag too."""
        self._flux: FluxQuery | None = None
        if server.api == V2 and isinstance(server.target, Bucket):
            self._flux = FluxQuery(lane, self._api, server.target, self._table)

    def find(self, event_id: str) -> dict[str, object] | None:
        """Return the event of an id with its `time`, None where there is none; case makes no difference.

        Raises SinkUnavailable or SinkRefused where InfluxDB cannot be asked.
        """
        if not event_id or not _QUERYABLE.fullmatch(event_id):
            return None
        if self._flux is not None:
            return self._flux.find(event_id)
        for asked in dict.fromkeys((event_id, event_id.lower())):
            if found := self._find(f"= {text_literal(asked)}"):
                return found
        return self._if_understood(lambda: self._find(f"=~ {_any_case(event_id)}"))

    def recent(self, query: Query) -> list[dict[str, object]]:
        """Return the events that a query asks for, newest first, without points.

        Raises SinkUnavailable or SinkRefused where InfluxDB cannot be asked.
        """
        texts = [text for text in (query.event, query.uid) if text is not None]
        if not all(map(_QUERYABLE.fullmatch, texts)):
            return []
        if self._flux is not None:
            return self._flux.recent(query)
        conditions = {
            '"event" = ': None if query.event is None else text_literal(query.event),
            '"uid" = ': None if query.uid is None else text_literal(query.uid),
            "time >= ": query.from_ns,
            "time < ": query.to_ns,
        }
        asked = [f"{condition}{value}" for condition, value in conditions.items() if value is not None]
        where = f" WHERE {' AND '.join(asked)}" if asked else ""
        return without_replaced(self._fields(f"{where} ORDER BY time DESC LIMIT {min(query.limit, MAX_LISTED)}"))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._api.close()

    def _find(self, condition: str) -> dict[str, object] | None:
        """Return the event whose id meets a condition: the one that was posted last."""
        (found,) = self._select(self._statement("*", f' WHERE "event_id" {condition}'))
        if not found.rows:
            return None
        newest = last_posted(found.rows)
        time = parse_time(newest.get("time"))
        exact = (
            [] if self._is_exact or time is None else self._if_understood(lambda: self._fields(f" WHERE time = {time}"))
        )
        same = [event for event in exact or () if event.get("event_id") == newest.get("event_id")]
        return last_posted(same) if same else event_of(newest, twins=not self._is_exact)

    def _if_understood(self, ask: Callable[[], T]) -> T | None:
        """Return an answer that only makes another better; None where the question is refused."""
        try:
            return ask()
        except SinkRefused as error:
            logger.info("InfluxDB does not take a question: %s", error)
            return None

    def _fields(self, rest: str) -> list[dict[str, object]]:
        """Return the events that a statement with this end gives: of 1.x their fields alone, which tell their types."""
        if self._is_exact:
            (frame,) = self._select(self._statement("*", rest))
            return [event_of(row) for row in frame.rows]
        frame, keys = self._select(
            self._statement("*::field", rest), f"SHOW FIELD KEYS FROM {name_literal(self._table)}"
        )
        twins, floats = "event_id_1" in frame.columns, float_fields(keys)
        return [event_of(row, twins=twins, floats=floats) for row in frame.rows]

    def _statement(self, columns: str, rest: str) -> str:
        return f"SELECT {columns} FROM {name_literal(self._table)}{rest}"  # noqa: S608 - all of it is escaped

    def _select(self, *statements: str) -> list[Frame]:
        """Return what each statement gives, an empty frame for what is not there."""
        try:
            response = self._api.read("GET", "/query", params={"db": self._database, "q": "; ".join(statements)})
            return [Frame()] * len(statements) if response is None else read_frames(self._lane, response, statements)
        except Rejected as error:
            raise SinkRefused(self._lane, error.reason) from error


def text_literal(text: str) -> str:
    r"""Return a text as InfluxQL reads it.

    >>> print(text_literal("x' or \\"))
    'x\' or \\'
    """
    escaped = text.replace("\\", r"\\").replace("'", r"\'").replace("\n", r"\n")
    return f"'{escaped}'"


def name_literal(name: str) -> str:
    """Return a name as InfluxQL reads it."""
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _any_case(text: str) -> str:
    """Return a regular expression for a text in capitals or not; what is no letter or digit is told by its number."""
    written = "".join(sign if _WORD.match(sign) else f"\\x{{{ord(sign):x}}}" for sign in text)
    return f"/(?i)^{written}$/"
