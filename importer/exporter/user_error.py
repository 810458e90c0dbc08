"""What is told of an exception that a user's code has raised: one line, with its place, without queries of URLs."""

import importlib.util
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import requests

from importer.errors import ImporterError, one_line
from importer.exporter.base import FaultKind
from importer.exporter.url_text import url_told, without_queries
from importer.exporter.user_class.exceptions import BadValue

USER_EXCEPTIONS = (BaseException,)
"""What a user's code may raise without ending the process: SystemExit and asyncio's CancelledError are no Exception."""

_REQUEST_FAILURES: tuple[tuple[type[Exception], FaultKind, str], ...] = (
    (requests.Timeout, FaultKind.TIMEOUT, "no answer in time"),
    (requests.HTTPError, FaultKind.STATUS, "HTTP {status}"),
    (requests.exceptions.InvalidJSONError, FaultKind.ANSWER, "the answer is not JSON"),
    (requests.ConnectionError, FaultKind.CONNECTION, "no connection, or one that was cut off"),
    (requests.RequestException, FaultKind.CONNECTION, "the request is not possible ({kind})"),
)


class UserError(ImporterError):
    """A user's code has raised something; `str()` of it is one line without secrets."""


def told(error: BaseException) -> str:
    """Return an exception in one line: what it is and what it says, without what may be secret in a URL.

    >>> told(ValueError("https://ada:pw@shop.example/v1?key=secret is not it"))
    'ValueError: https://shop.example/v1 is not it'
    """
    if isinstance(error, ImporterError):
        return str(error)
    if isinstance(error, requests.RequestException):
        return _request_told(error)
    text = one_line(without_queries(str(error)), limit=300)
    if isinstance(error, BadValue):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def kind_of(error: BaseException) -> FaultKind:
    """Return by what an exception of a user's method is counted."""
    if isinstance(error, BadValue):
        return FaultKind.VALUE
    for kind, fault, _ in _REQUEST_FAILURES:
        if isinstance(error, kind):
            return fault
    return FaultKind.MISSING if isinstance(error, KeyError | IndexError) else FaultKind.CODE


def place(error: BaseException) -> str:
    """Return `file:line` of the code that an exception comes from: of a user's, where some had a part in it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = list(_frames(error.__traceback__))
    theirs = [frame for frame in frames if not _is_library(frame[0])] or frames
    return f"{Path(theirs[-1][0]).name}:{theirs[-1][1]}" if theirs else "nowhere"


def traceback_text(error: BaseException) -> str:
    """Return the lines of a traceback, its exceptions told as `told` does."""
    lines = "".join(traceback.format_tb(error.__traceback__)).splitlines()
    return "\n    ".join(["Traceback (most recent call last):", *map(without_queries, lines), told(error)])


def _request_told(error: requests.RequestException) -> str:
    """The text of these holds whole URLs, that of urllib3 inside of them a query without one."""
    url = getattr(error.request, "url", None) or getattr(error.response, "url", None)
    where = f"{url_told(url)}: " if url else ""
    facts = {"status": getattr(error.response, "status_code", "status"), "kind": type(error).__name__}
    words = next(words for kind, _, words in _REQUEST_FAILURES if isinstance(error, kind))
    return f"{where}{words.format(**facts)}"


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    for frame, line in traceback.walk_tb(trace):
        yield frame.f_code.co_filename, line


def _library_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    for package in ("importer", "collectington"):
        found = importlib.util.find_spec(package)
        paths |= set(found.submodule_search_locations or ()) if found else set()
    return tuple(str(Path(path).resolve()) + "/" for path in paths)


def _is_library(file: str) -> bool:
    return file.startswith("<") or str(Path(file).resolve()).startswith(_library_folders())
