"""Datasets as the simulated Geckoboard keeps them: which schemas and records it takes, and how many.

https://developer.geckoboard.com, 'Plan your schema' and 'Limits and quotas', and
https://github.com/geckoboard/sql-dataset, docs/dataset_fields.md (checked 2026-11-25).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MAX_FIELDS = 10
MAX_RECORDS = 5000
MAX_REQUEST_RECORDS = 500
MAX_STRING_CHARACTERS = 100

Record = Mapping[str, Any]
"""Values by the ids of fields."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATASET_ID = re.compile(r"[0-9a-z][0-9a-z._-]+[0-9a-z]")
_FIELD_ID = re.compile(r"[0-9a-z][0-9a-z_]*[0-9a-z]|[0-9a-z]")
_FIELD_MEMBERS = {"type", "name", "optional", "currency_code", "time_unit"}


class BadDataset(ValueError):
    """What was sent is not taken; `str()` of it says why."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_STRING_CHARACTERS


def _is_date(value: object) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None and _is_iso(value)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and "T" in value and _is_iso(value)


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "number": _is_number,
    "percentage": _is_number,
    "money": _is_number,
    "duration": _is_number,
    "string": _is_text,
    "date": _is_date,
    "datetime": _is_time,
}
"""What a field of each type holds."""
_NEEDED_MEMBERS = {"money": "currency_code", "duration": "time_unit"}
_MAY_BE_OPTIONAL = {"number", "percentage", "money", "duration"}


@dataclass(slots=True)
class Dataset:
    """A dataset: its schema, and its records in the order in which they came."""

    id: str
    fields: Mapping[str, Record]
    unique_by: Sequence[str] = ()
    """Fields that tell records apart; without any, all records are kept."""
    records: list[Record] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the schema as the API tells it."""
        return {"id": self.id, "fields": self.fields, "unique_by": list(self.unique_by)}

    def replace(self, records: Sequence[Record]) -> None:
        """Let these be all the records. Raises BadDataset."""
        self._check(records)
        self.records = self._merged(records)

    def append(self, records: Sequence[Record]) -> None:
        """Add records, each in place of the one that it is not unique from; the oldest go. Raises BadDataset."""
        self._check(records)
        self.records = self._merged([*self.records, *records])

    def _merged(self, records: Sequence[Record]) -> list[Record]:
        if not self.unique_by:
            return list(records)[-MAX_RECORDS:]
        merged = {tuple(record[name] for name in self.unique_by): record for record in records}
        return list(merged.values())[-MAX_RECORDS:]

    def _check(self, records: Sequence[Record]) -> None:
        if len(records) > MAX_REQUEST_RECORDS:
            raise BadDataset(f"{len(records)} records in one request are more than {MAX_REQUEST_RECORDS}")
        for record in records:
            self._check_record(record)

    def _check_record(self, record: Record) -> None:
        if unknown := sorted(record.keys() - self.fields.keys()):
            raise BadDataset(f"no such field: {', '.join(unknown)}")
        for name, description in self.fields.items():
            value = record.get(name)
            if value is None and description.get("optional"):
                continue
            if not _CHECKS[description["type"]](value):
                raise BadDataset(f"{name}: {value!r:.100} is no {description['type']}")


def parse_dataset(dataset_id: str, body: object) -> Dataset:
    """Return the empty dataset that a body `{"fields": ..., "unique_by": ...}` describes. Raises BadDataset."""
    if not _DATASET_ID.fullmatch(dataset_id):
        raise BadDataset(f"{dataset_id!r:.100} is not the id of a dataset")
    match body:
        case {"fields": dict(fields), **rest} if not rest.keys() - {"id", "unique_by"}:
            unique_by = rest.get("unique_by", [])
        case _:
            raise BadDataset("a dataset is described by fields and unique_by")
    if not 1 <= len(fields) <= MAX_FIELDS:
        raise BadDataset(f"a dataset has 1 to {MAX_FIELDS} fields, not {len(fields)}")
    for name, description in fields.items():
        _check_field(name, description)
    if not isinstance(unique_by, list) or not set(unique_by) <= fields.keys():
        raise BadDataset("unique_by names fields alone")
    return Dataset(dataset_id, fields, tuple(unique_by))


def parse_records(body: object) -> list[Record]:
    """Return the records of a body `{"data": [...]}`. Raises BadDataset for anything else, `delete_by` too."""
    match body:
        case {"data": list(records), **rest} if not rest and all(isinstance(record, dict) for record in records):
            return records
    raise BadDataset("the body is not an object with a list of objects as data")


def _check_field(name: str, description: object) -> None:
    if not _FIELD_ID.fullmatch(name):
        raise BadDataset(f"{name!r:.100} is not the id of a field")
    match description:
        case {"type": str(kind), "name": str(title), **rest} if kind in _CHECKS and title:
            if unknown := sorted(map(str, rest.keys() - _FIELD_MEMBERS)):
                raise BadDataset(f"{name}: no such member: {', '.join(unknown)}")
            if kind in _NEEDED_MEMBERS and _NEEDED_MEMBERS[kind] not in rest:
                raise BadDataset(f"{name}: {kind} needs {_NEEDED_MEMBERS[kind]}")
            if rest.get("optional") and kind not in _MAY_BE_OPTIONAL:
                raise BadDataset(f"{name}: {kind} is never optional")
        case _:
            raise BadDataset(f"{name}: a field has a name, and a type that is one of {', '.join(_CHECKS)}")
