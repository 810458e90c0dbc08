"""InfluxDB as the store of events: lines are made here, and every event that InfluxDB can take gets there.

What it refuses is written again in another form where there is one: specification of stats-service, 4.5. For all
else half of the lines are tried at a time, until those at fault stand alone: these are set aside, with the reason.
"""

from collections.abc import Sequence

from importer.errors import PartlyRejected, Rejected
from importer.events.event import EVENTS_FORMAT, read_event
from importer.events.influxdb.batch import Entry, Refused, TagMemory, beyond_retention, lines_refused, tag_at_limit
from importer.events.influxdb.lines import Row, RowMaker, format_rows
from importer.events.influxdb.server import V3, InfluxdbServer
from importer.events.influxdb.types import KnownTypes
from importer.events.tags import TagRule
from importer.http_client import HttpClient, RetryPolicy
from importer.points import Payload
from importer.sinks.base import Sink, batches
from importer.sinks.http_push import TooLarge
from importer.sinks.influxdb_api import InfluxdbApi, LinesRefused

JOINED_POINTS = 5_000
"""Lines in a request."""
TIMEOUT_SECONDS = 30.0

_RETRIES = RetryPolicy(extra_attempts=1, max_waits=0)
"""What takes longer than one more try is for the lane to wait for, Retry-After too."""
_UNNAMED_CONFLICT = "field type conflict"
"""What 1.x says, and no more, when two types of a field come first in a new shard: it has then made the field."""


class EventInfluxdbSink(Sink):
    """A database of InfluxDB 1.x, or a bucket of 2.x or 3.x."""

    family = "influxdb-events"
    joined_points = JOINED_POINTS

    def __init__(
        self, server: InfluxdbServer, *, table: str, tags: TagRule, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        """`table` is the measurement of 1.0 events. Raises ValueError for no http(s) address."""
        super().__init__(f"{server.lane}#events")
        client = HttpClient(server.url, retries=_RETRIES, timeout_seconds=timeout_seconds)
        self._api = InfluxdbApi(self.lane, client, target=server.target, credentials=server.credentials, precision="ns")
        self._maker = RowMaker(table, tags, distinct=server.api == V3)
        self._types = KnownTypes()
        self._tags = TagMemory()
        self._line_ends = True
        """Whether InfluxDB takes a text with line ends; most do."""

    def deliver(self, payload: Payload) -> None:
        """Write the events of a payload; InfluxDB has them when this returns.

        Raises SinkUnavailable and SinkRefused, and the payload may be delivered again, as a whole; PartlyRejected for
        what InfluxDB can never take, when it has all the rest.
        """
        if payload.format != EVENTS_FORMAT:
            raise Rejected(self.lane, "the kept payload is not made of events")
        refused = Refused()
        entries = self._entries(payload.data, refused)
        for batch in batches(entries, JOINED_POINTS):
            self._write(batch, refused)
        self._tags.done(entries)
        if refused.parts:
            raise PartlyRejected(self.lane, refused.parts)

    def check(self) -> str:
        """Return which version answers and whether the database is there, having stored nothing.

        Raises SinkUnavailable or SinkRefused.
        """
        return self._api.check()

    def stop(self) -> None:
        """Begin no other request."""
        self._api.stop()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._api.close()

    def _entries(self, data: bytes, refused: Refused) -> list[Entry]:
        entries = []
        for line in data.split(b"\n"):
            if not line:
                continue
            try:
                event = read_event(line)
                self._maker.require_fields(event)
            except ValueError as error:
                refused.add(line, f"the kept line is damaged: {error}")
            else:
                entries.append(self._tags.entry(event, line, self._maker.measurement(event)))
        return entries

    def _write(self, entries: Sequence[Entry], refused: Refused) -> None:
        """Write lines until InfluxDB has all that it can take of them."""
        tried: set[object] = set()
        while True:
            rows = [self._row(entry) for entry in entries]
            try:
                self._send(rows, line_ends=self._line_ends)
                return
            except TooLarge as error:
                self._divide(entries, refused, error)
                return
            except LinesRefused as error:
                refusal = error
            if (late := beyond_retention(refusal, entries)) is not None:
                refused.add_all(late, refusal.reason)
                return
            learnt = self._learn(refusal, entries, rows)
            if not learnt or learnt <= tried:
                break
            tried |= learnt
        if len(entries) > 1 or not self._send_without_line_ends(rows):
            self._divide(entries, refused, refusal)

    def _row(self, entry: Entry) -> Row:
        row = self._types.fit(self._maker.row(entry.event, without=entry.without))
        entry.note_sent(row)
        return row

    def _send(self, rows: Sequence[Row], *, line_ends: bool) -> None:
        self._api.write(format_rows(rows, line_ends=line_ends))

    def _divide(self, entries: Sequence[Entry], refused: Refused, refusal: Rejected) -> None:
        """Write each half of the lines by itself; one alone is at fault.

        By their times: 1.x keeps the types of each shard, which is a week or so, apart. Where two of them are at odds
        over a field, lines that lie in one shard pass together, whatever the other one demands.
        """
        if len(entries) == 1:
            refused.add(entries[0].line, refusal.reason)
            return
        by_time = sorted(entries, key=lambda entry: entry.event.time)
        middle = len(by_time) // 2
        self._write(by_time[:middle], refused)
        self._write(by_time[middle:], refused)

    def _learn(self, refusal: LinesRefused, entries: Sequence[Entry], rows: Sequence[Row]) -> set[object]:
        """Return what was learnt of a refusal, for which the same lines, made anew, may pass; maybe nothing."""
        learnt: set[object] = set(self._types.learn(refusal.complaints, rows))
        full = tag_at_limit(refusal)
        if full is not None and self._drop_tag(*full, refusal, entries):
            learnt.add(full)
        if not learnt and any(complaint.text == _UNNAMED_CONFLICT for complaint in refusal.complaints):
            learnt.add(_UNNAMED_CONFLICT)
        return learnt

    def _drop_tag(self, measurement: str, tag: str, refusal: LinesRefused, entries: Sequence[Entry]) -> bool:
        """Let a text be a field alone where a tag can have no other value, and return whether it was done for these.

        Not for lines that may be stored already, with the tag: they would then be there twice. An answer counts each
        line once (influxd 1.6.7, 2026-11-28), also one that was taken before with its fields in another form; only
        one alone is surely refused for its tag, of which InfluxDB then does not have this value.
        """
        self._tags.add(measurement, tag)
        if lines_refused(refusal) != len(entries):
            return False
        concerned = [entry for entry in entries if self._maker.measurement(entry.event) == measurement]
        if len(entries) > 1 and any(entry.changed for entry in concerned):
            return False
        for entry in concerned:
            entry.drop_tag(tag)
        return True

    def _send_without_line_ends(self, rows: Sequence[Row]) -> bool:
        """Write a line that was refused with the line ends in it told otherwise; return whether it was taken."""
        if not self._line_ends or format_rows(rows) == format_rows(rows, line_ends=False):
            return False
        try:
            self._send(rows, line_ends=False)
        except LinesRefused:  # for another reason, which was told before
            return False
        self._line_ends = False
        return True
