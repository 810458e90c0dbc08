"""A whole HTTP answer, and what can be read from it."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from json import dumps, loads

from importer.errors import ImporterError, one_line

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")


class BadJson(ImporterError, ValueError):
    """An answer is not JSON, or not of the kind that can be read; says why in one line."""


class Headers(Mapping[str, str]):
    """Header fields, looked up without regard to case.

    >>> Headers({"Retry-After": "5"})["retry-after"]
    '5'
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {name.lower(): value for name, value in fields.items()}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Its `repr` shows neither headers nor body: they may hold tokens."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Looked up without regard to case, whatever mapping was given."""
    body: bytes = field(repr=False)
    """Unpacked; no longer than the client's `max_response_bytes`."""

    def __post_init__(self) -> None:
        if not isinstance(self.headers, Headers):
            object.__setattr__(self, "headers", Headers(self.headers))

    def json(self) -> object:
        """Return what the body holds as JSON, which must be UTF-8. Raises BadJson.

        Half an emoji (a surrogate alone, which no UTF-8 output can hold) comes back as a question mark.
        """
        try:
            value: object = loads(self.body.decode("utf-8-sig"), parse_constant=_refuse_constant)
            if _LONE_SURROGATE.search(self.body):
                value = loads(dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except RecursionError as error:
            raise BadJson("the answer is not usable JSON: nested too deeply") from error
        except ValueError as error:
            raise BadJson(one_line(f"the answer is not JSON: {error}", limit=200)) from error
        return value

    def retry_after_seconds(self, *, clock: Callable[[], float] = time.time) -> float | None:
        """Return how long the Retry-After header (seconds or a date) asks us to wait; None if it does not say.

        A date is compared with the answer's own Date, if it has one: the vendor's clock may not agree with ours.

        >>> Response(429, {"Retry-After": "120"}, b"").retry_after_seconds()
        120.0
        """
        text = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(text):
            return float(text)
        until = _epoch(text)
        if until is None:
            return None
        now = _epoch(self.headers.get("Date", ""))
        return max(0.0, until - (clock() if now is None else now))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _epoch(http_date: str) -> float | None:
    from email.utils import mktime_tz, parsedate_tz  # on use: 20 ms to import

    try:
        parsed = parsedate_tz(http_date)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError):  # "Mon, 99 Jan 99999999999 ..."
        return None
