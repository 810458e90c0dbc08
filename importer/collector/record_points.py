"""Records for the stores of today: each numeric field a point, or the record whole where a store takes JSON.

A point's name is `<data-group>.<data-type>.<field>`, its time the record's `_timestamp`, and its labels are the
record's other fields.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TypeGuard

from importer.backdrop.json_encoder import encode_json
from importer.collector.outlet import Record
from importer.collector.periods import to_datetime, to_utc
from importer.errors import one_line
from importer.points import Labels, Payload, Point
from importer.sinks.base import PointSink, RecordSink

logger = logging.getLogger(__name__)

TIME = "_timestamp"
_NO_LABELS = frozenset({TIME, "_id", "humanId"})


def points_of(
    records: Iterable[Record], data_group: str, data_type: str, *, keeps_labels: bool = True
) -> Iterator[Point]:
    """Yield a point for each number of each record; of one without a usable time nothing, which the log says.

    For a store without labels their values stand before the field, in the order of their names.

    >>> record = {"_timestamp": "2013-06-15T22:00:00+00:00", "_id": "a", "check": "govuk", "uptime": 3065}
    >>> [(point.path, point.value, point.labels) for point in points_of([record], "tax-disc", "monitoring")]
    [(('tax-disc', 'monitoring', 'uptime'), 3065, (('check', 'govuk'),))]
    """
    for record in records:
        try:
            timestamp = _seconds(record.get(TIME))
            labels = _labels(record)
            place = (data_group, data_type, *(() if keeps_labels else [value for _, value in labels]))
            points = [
                Point((*place, name), value, timestamp, labels if keeps_labels else ())
                for name, value in record.items()
                if _is_number(value)
            ]
        except ValueError as error:
            logger.warning("record left out: _id=%.200r: %s", record.get("_id"), one_line(error))
        else:
            yield from points


def payloads_of(sink: PointSink, records: Sequence[Record], data_group: str, data_type: str) -> list[Payload]:
    """Return what a sink is to deliver of records: whole where it takes such, else their points."""
    if isinstance(sink, RecordSink):
        return sink.encode_records([(_key(record), encode_json(record)) for record in records])
    return sink.encode(points_of(records, data_group, data_type, keeps_labels=sink.keeps_labels))


def _key(record: Record) -> str | None:
    key = record.get("_id")
    return None if key is None else str(key)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(value: object) -> float:
    """Return a record's time in seconds since 1970 UTC; raises ValueError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return _whole(to_utc(value).timestamp())
    if isinstance(value, date):
        return _whole(to_datetime(value).timestamp())
    raise ValueError(f"{TIME} is {value!r:.80}, not a time")


def _whole(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


def _labels(record: Mapping[str, object]) -> Labels:
    texts = {
        name: _text(value)
        for name, value in record.items()
        if name not in _NO_LABELS and not _is_number(value) and value is not None
    }
    return tuple(sorted((name, text) for name, text in texts.items() if text))


def _text(value: object) -> str:
    return value if isinstance(value, str) else encode_json(value).strip('"')
