"""`requests` for custom collectors, with the patience that vendors need: its `get` and `post`, and all its names.

>>> from importer.collector import backoff
>>> backoff.HTTPError is requests.HTTPError
True
"""

from collections.abc import Callable
from typing import Any

import requests

from importer.collector.vendor import count_answer, pause_of
from importer.collector.vendor_failure import vendor_text
from importer.requests_backoff import TIMEOUT_SECONDS, Backoff

VENDORS = Backoff(said=vendor_text, pauses_seconds=(10.0, 20.0, 40.0, 80.0), asked=pause_of)
"""Five tries, the pauses as long as the vendor asks for, if it does."""


class PatientRequests:
    """`get` and `post` as in `requests`, repeated after what may heal; `sleep` is what waits between the tries."""

    def __init__(self, sleep: Callable[[float], None] | None = None) -> None:
        self._backoff = VENDORS.sleeping_by(sleep)

    def get(self, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer to a GET; raises requests.HTTPError from 400 up."""
        return self._send(requests.get, url, args, kwargs)

    def post(self, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer to a POST; raises requests.HTTPError from 400 up.

        What is repeated is the same request: a body that can be read but once is sent once.
        """
        return self._send(requests.post, url, args, kwargs)

    def _send(
        self, function: Callable[..., requests.Response], url: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT_SECONDS)
        rewind = _nothing if function is requests.get else _rewinding(args[0] if args else kwargs.get("data"))
        backoff = self._backoff
        if rewind is None or kwargs.get("files"):
            rewind, backoff = _nothing, backoff.single()

        def send() -> requests.Response:
            rewind()
            return function(url, *args, **kwargs)

        response = backoff.send(url, send, timeout=kwargs["timeout"])
        count_answer()
        return response


_patient = PatientRequests()
get = _patient.get
post = _patient.post


def _nothing() -> None:
    """Nothing is to be done before a try."""


def _rewinding(data: Any) -> Callable[[], None] | None:
    """Return what makes a body ready to be sent again; None if nothing can."""
    if data is None or isinstance(data, str | bytes | bytearray | dict | list | tuple) or not hasattr(data, "__next__"):
        return _nothing
    if not (hasattr(data, "seek") and data.seekable()):
        return None
    position = data.tell()

    def rewind() -> None:
        data.seek(position)

    return rewind


def __getattr__(name: str) -> Any:
    return getattr(requests, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(requests)})


__all__ = [name for name in (*dir(requests), "PatientRequests") if not name.startswith("_")]
