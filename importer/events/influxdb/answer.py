"""What InfluxDB answers to InfluxQL: tables of rows, and the events that these are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose

from importer.credentials import redact
from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.events.event_time import format_time, parse_time
from importer.http_client import BadJson, Response

_TWIN = "_1"
"""How 1.x ends the name of a tag in a table where a field has it too."""
_SKIPPED = "not executed"
"""What 1.x says of a statement after one that failed."""
_NO_COLUMNS = frozenset({"iox::measurement"})
"""What InfluxDB 3 adds."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A table."""

    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, object]] = field(default=())


def read_frames(lane: str, response: Response, statements: Sequence[str]) -> list[Frame]:
    """Return what each statement gave; an empty frame for a database, measurement or event that is not there.

    Raises SinkUnavailable where a statement failed, Rejected where it was not understood, and SinkRefused for what is
    no answer of InfluxDB.
    """
    try:
        answer = response.json()
    except BadJson as error:
        raise SinkRefused(lane, f"what answers is no InfluxDB: {error}; correct url of influxdb") from error
    match answer:
        case {"results": [*results]}:
            frames = [_frame(lane, result) for result in results]
            return (frames + [Frame()] * len(statements))[: len(statements)]
    raise SinkRefused(lane, "what answers is no InfluxDB: it gives no results; correct url of influxdb")


def _frame(lane: str, result: object) -> Frame:
    match result:
        case {"error": str(reason)}:
            if "not found" in reason or reason == _SKIPPED:
                return Frame()
            if reason.startswith("error parsing"):
                raise Rejected(lane, redact(reason))
            raise SinkUnavailable(lane, redact(reason))
        case {"series": [{"columns": [*columns], "values": [*rows]}, *_]}:
            names = [str(column) for column in columns]
            return Frame(names, [dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list)])
    return Frame()


def float_fields(keys: Frame) -> frozenset[str]:
    """Return the fields that have been floats ever since, by what SHOW FIELD KEYS gave."""
    kinds: dict[str, set[object]] = {}
    for row in keys.rows:
        kinds.setdefault(str(row.get("fieldKey")), set()).add(row.get("fieldType"))
    return frozenset(name for name, held in kinds.items() if held == {"float"})


def event_of(
    row: Mapping[str, object], *, twins: bool = False, floats: frozenset[str] = frozenset()
) -> dict[str, object]:
    """Return a row as an event is answered: without what only other events have.

    `twins` says that a tag may stand beside the field that it is, `floats` which whole numbers are floats: the JSON
    of 1.x writes 3.0 as 3.
    """
    event = {
        name: float(value) if isinstance(value, int) and name in floats else value
        for name, value in row.items()
        if value is not None and name not in _NO_COLUMNS and not (twins and _is_twin(name, row))
    }
    time = parse_time(event.get("time"))
    return event if time is None else {**event, "time": format_time(time)}


def _is_twin(name: str, row: Mapping[str, object]) -> bool:
    """Whether a column holds what a field with the name before `_1` holds, as text."""
    first, text = row.get(name.removesuffix(_TWIN)), row[name]
    if not name.endswith(_TWIN) or not isinstance(text, str) or first is None:
        return False
    if isinstance(first, float) and not isinstance(first, bool):
        try:
            return isclose(float(text), first, rel_tol=1e-9)  # the old service cut the digits of a tag
        except ValueError:
            return False
    return text == str(first)
