"""The content of the command's files as readers that name the file, the key and what would be right."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from importer.config import ObjectReader
from importer.http_request import split_url

PATH_KEY = "path_to_json_file"
"""Where the command has noted which file an object was read from."""


_PARTS = ("query", "options")
"""Objects inside of the query file."""
_query_file: ContextVar[str] = ContextVar("query file", default="")


@contextmanager
def query_file(path: Path | str) -> Iterator[None]:
    """Let messages about a query and its options name the file that they are from, while the block lasts."""
    token = _query_file.set(str(path))
    try:
        yield
    finally:
        _query_file.reset(token)


def reader_of(content: Mapping[str, object], what: str) -> ObjectReader:
    """Return a reader of a file's content; `what` (`credentials`, `query`, `options`) names what is from no file."""
    path = content.get(PATH_KEY)
    if isinstance(path, str) and path:
        return ObjectReader(Path(path), dict(content))
    if what in _PARTS and _query_file.get():
        return ObjectReader(Path(_query_file.get()), dict(content), where=f"{what}.")
    return ObjectReader(Path(what), dict(content))


def address(keys: ObjectReader, key: str, default: str | None = None) -> str:
    """Return the address that key holds; a wrong one is counted as a mistake."""
    text = keys.text(key) if default is None else keys.text(key, default)
    try:
        if text:
            split_url(text)
    except ValueError as error:
        keys.problem(key, str(error))
    return text


def text_or_number(keys: ObjectReader, key: str, default: str | None = None) -> str:
    """Return the text that key holds; a whole number is taken as text."""
    value = keys.value(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return keys.text(key) if default is None else keys.text(key, default)
