"""Geckoboard: the state of a dashboard's widgets, and datasets.

- Custom widgets take a POST of `{"api_key": KEY, "data": ...}` at an address of their own, of 1 MB at most. They are a
  legacy API that is still up: https://support.geckoboard.com, 'Guide to using Custom Widgets' (checked 2026-11-25).
- The Datasets API (https://developer.geckoboard.com, checked 2026-11-25) has the key as user of Basic authentication.
  It takes 10 fields and 5000 records a dataset, of which older ones go, and 500 records and 60 requests a minute:
  https://github.com/geckoboard/sql-dataset, docs/dataset_fields.md, and 'Exceeding API limits and quotas'.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.credentials import Secret
from importer.errors import Rejected
from importer.http_client import HttpClient
from importer.http_request import split_url
from importer.points import Payload
from importer.sinks.base import Sink
from importer.sinks.http_push import HttpPush
from importer.sinks.push_client import push_client

DATASETS_URL = "https://api.geckoboard.com"
MAX_BODY_BYTES = 2**20
MAX_RECORDS = 5000
MAX_REQUEST_RECORDS = 500

_WIDGET = "widget"
_DATASET = "dataset"
_REPLACE_KEY = "widget"
"""Each lane is one widget, of which only the newest state matters."""
_DATASET_ID = re.compile(r"[0-9a-z][0-9a-z._-]+[0-9a-z]")
"""As Geckoboard's own program has it: https://github.com/geckoboard/sql-dataset, models/dataset.go (2026-11-25)."""


def is_dataset_id(text: str) -> bool:
    """Return whether a dataset can have this id: three or more of a-z, 0-9, `.`, `_` and `-`, none of these outside.

    >>> [is_dataset_id(text) for text in ("web.requests", "Web.requests", "a/b", "ab")]
    [True, False, False, False]
    """
    return _DATASET_ID.fullmatch(text) is not None


def widget_payload(data: object) -> Payload:
    """Return the payload of a widget's state: what goes under `data`, as JSON, numbers with all their digits.

    Raises ValueError for what JSON cannot hold.
    """
    return Payload(_to_json(data), points=1, format=_WIDGET, replace_key=_REPLACE_KEY)


def dataset_payload(
    *, dataset: str, fields: Mapping[str, object], unique_by: Sequence[str], rows: Sequence[Mapping[str, object]]
) -> Payload:
    """Return the payload of a dataset's whole state: the newest, which are the last, MAX_RECORDS of rows.

    `fields` is the schema as the Datasets API has it. Raises ValueError for an id that is none, and for what JSON
    cannot hold.
    """
    if not is_dataset_id(dataset):
        raise ValueError("dataset is not an id such as web.requests")
    newest = [dict(row) for row in rows[-MAX_RECORDS:]]
    content = {"dataset": dataset, "fields": dict(fields), "unique_by": list(unique_by), "rows": newest}
    return Payload(_to_json(content), points=len(newest), format=_DATASET, replace_key=_REPLACE_KEY)


class GeckoboardSink(Sink):
    """A widget, or with `is_dataset` a dataset: `push_url` is the address of the one, or the base of the other's API.

    `client` is one of push_url's host. Raises ValueError, as `split_url` does, for a push_url that is no address.
    """

    family = "geckoboard"

    def __init__(
        self,
        *,
        push_url: str,
        api_key: Secret,
        lane: str,
        is_dataset: bool = False,
        client: HttpClient | None = None,
    ) -> None:
        base, self._path = split_url(push_url)
        super().__init__(lane)
        self._is_dataset = is_dataset
        self._api_key = api_key
        self._push = HttpPush(lane, client or push_client(base), hint="correct push_url, or the api_key of geckoboard")

    def deliver(self, payload: Payload) -> None:
        """Send a widget's or a dataset's state, and return once Geckoboard has taken it.

        Raises SinkUnavailable, SinkRefused, and Rejected for a state that Geckoboard will not take. A dataset may
        then hold its newest records alone, until it is delivered again.
        """
        if payload.format == _WIDGET:
            self._send_widget(payload.data)
        elif payload.format == _DATASET:
            self._send_dataset(payload.data)
        else:
            raise Rejected(self.lane, f"a payload in the format {payload.format!r} is not for Geckoboard")

    def check(self) -> str:
        """Return whether the key is good for datasets; of a widget's address nothing can be asked.

        Raises SinkUnavailable or SinkRefused.
        """
        if not self._is_dataset:
            return f"{self.lane}: nothing was asked, since all that a widget's address takes is a new state"
        self._push.send("GET", f"{self._path.rstrip('/')}/", basic=self._basic)
        return f"{self.lane} answers, and takes the key"

    def stop(self) -> None:
        """Wait no more between the tries of a push."""
        self._push.stop()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._push.close()

    @property
    def _basic(self) -> tuple[str, str]:
        return self._api_key.reveal(), ""

    def _send_widget(self, data: bytes) -> None:
        self._parse(data)  # what is damaged must not be put between our own members
        # Put together as bytes: not a digit changes on the way.
        self._send("POST", self._path, b'{"api_key":%b,"data":%b}' % (_to_json(self._api_key.reveal()), data))

    def _send_dataset(self, data: bytes) -> None:
        state = _State.of(self._parse(data))
        if state is None:
            raise Rejected(self.lane, "the kept payload is damaged: it is not the state of a dataset")
        path = f"{self._path.rstrip('/')}/datasets/{state.dataset}"
        self._send("PUT", path, _to_json({"fields": state.fields, "unique_by": state.unique_by}), basic=self._basic)
        for number, rows in enumerate(state.chunks()):
            method = "POST" if number else "PUT"  # which add to the records, and take the place of all
            self._send(method, f"{path}/data", _to_json({"data": rows}), basic=self._basic)

    def _parse(self, data: bytes) -> object:
        try:
            value: object = json.loads(data)
        except ValueError as error:
            raise Rejected(self.lane, f"the kept payload is damaged: {error}") from error
        return value

    def _send(self, method: str, path: str, body: bytes, **request: Any) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise Rejected(self.lane, f"{len(body)} bytes are more than the {MAX_BODY_BYTES} that Geckoboard takes")
        self._push.send(method, path, body=body, headers={"Content-Type": "application/json"}, **request)


@dataclass(frozen=True, slots=True)
class _State:
    """What `dataset_payload` was given."""

    dataset: str
    fields: Mapping[str, object]
    unique_by: Sequence[object]
    rows: Sequence[object]

    @classmethod
    def of(cls, value: object) -> "_State | None":
        match value:
            case {"dataset": str(dataset), "fields": dict(fields), "unique_by": list(unique_by), "rows": list(rows)}:
                return cls(dataset, fields, unique_by, rows) if is_dataset_id(dataset) else None
        return None

    def chunks(self) -> Iterator[Sequence[object]]:
        """Yield the rows in requests, newest first: whatever happens, the newest are there. One if there are none."""
        yield self.rows[-MAX_REQUEST_RECORDS:]
        for end in range(len(self.rows) - MAX_REQUEST_RECORDS, 0, -MAX_REQUEST_RECORDS):
            yield self.rows[max(0, end - MAX_REQUEST_RECORDS) : end]


def _to_json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # half an emoji alone, which no UTF-8 can hold, becomes a question mark
