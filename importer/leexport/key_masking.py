"""Keys that stand in the configuration, made known to the logs whether or not a search uses them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from importer.config import ObjectReader
from importer.credentials import register

_FILE_SUFFIX = "_file"
_SECRET_WORDS = ("key", "token", "password", "secret")


def mask_keys(path: Path, sections: Iterable[Mapping[str, object]]) -> None:
    """Mask, from now on, every key in sections of the file at `path`, in those within them, and in files they name.

    What cannot be read is passed over here: whoever uses it says so.
    """
    for section in sections:
        mask_keys(path, [value for value in section.values() if isinstance(value, dict)])
        for name, value in section.items():
            for text in _texts(value) if _is_key(name.removesuffix(_FILE_SUFFIX)) else ():
                _mask(path, name, text)


def _is_key(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _texts(value: object) -> Iterator[str]:
    """Yield a value, and if there are commas in it its parts too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from map(str, [*value, ", ".join(map(str, value)), ",".join(map(str, value))])


def _mask(path: Path, name: str, text: str) -> None:
    if name.endswith(_FILE_SUFFIX):
        ObjectReader(path, {name: text}, problems=[]).secret(name.removesuffix(_FILE_SUFFIX), None)
    else:
        register(text)
