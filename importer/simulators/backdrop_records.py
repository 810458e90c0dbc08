"""Which records the simulated Backdrop takes: the rules of section "Writing" of its API, on one request's body."""

import gzip
import json
import re
import zlib
from datetime import datetime

from importer.simulators.http_wire import Request

MAX_BODY_BYTES = 10 * 2**20
_KEY = re.compile(r"[a-z_][a-z0-9_]+")
_INTERNAL = {"_timestamp", "_start_at", "_end_at", "_id"}
_TIMES = ("_timestamp", "_start_at", "_end_at")


class BadRequest(ValueError):
    """A request is not taken; `status` and `answer` are what goes back."""

    def __init__(self, status: int, answer: object) -> None:
        super().__init__(str(answer))
        self.status = status
        self.answer = answer


def unpacked(request: Request) -> bytes:
    """Return a request's body, decompressed; raises BadRequest for one that is damaged or too large."""
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise _error(400, f"Gzip error: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise _error(413, "The request is too large")
    return body


def parse_body(request: Request) -> object:
    """Return what a request's body holds as JSON; raises BadRequest."""
    body = unpacked(request)
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise _error(400, "Request must be JSON")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _error(400, f'Error parsing JSON: "{body[:100].decode("utf-8", "replace")}"') from None


def parse_records(request: Request) -> list[dict[str, object]]:
    """Return the records of a request, a list or one object; raises BadRequest if any of them is wrong."""
    content = parse_body(request)
    records: list[dict[str, object]] = content if isinstance(content, list) else [content]  # type: ignore[list-item]
    messages = [message for record in records for message in complaints(record)]
    if messages:
        raise BadRequest(400, {"messages": messages})
    return records


def complaints(record: object) -> list[str]:
    """Return what is wrong with a record.

    >>> complaints({"Page Views": 1, "_id": "a b"})
    ['Page Views is not a valid key', '_id "a b" is not a valid id']
    """
    if not isinstance(record, dict):
        return [f"{json.dumps(record)[:100]} is not a record"]
    found = [message for key, value in record.items() for message in _field_complaints(key, value)]
    if "_id" in record and not _is_id(record["_id"]):
        found.append(f'_id "{record["_id"]}" is not a valid id')
    return found


def _field_complaints(key: str, value: object) -> list[str]:
    if not _KEY.fullmatch(key.lower()):
        return [f"{key} is not a valid key"]
    if key.startswith("_") and key not in _INTERNAL:
        return [f"{key} is not a recognised internal field"]
    if isinstance(value, list | dict):
        return [f"{key} has an invalid value"]
    if key in _TIMES and not _is_time(value):
        return [f"{key} is not a valid timestamp, it must be ISO8601"]
    return []


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\S+", value) is not None


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _error(status: int, message: str) -> BadRequest:
    return BadRequest(status, {"status": "error", "message": message})
