"""Small files: read whole with one-line errors, read again when they change, written whole or not at all."""

import json
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from importer.errors import ConfigError, Problem

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Far more than any file of ours; a device or a log given by mistake is not swallowed whole."""


def load_text(path: Path) -> str:
    r"""Return the text of a UTF-8 file, with or without byte order mark, its lines ended by `\n` alone.

    Raises ConfigError for a file that is missing, unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(Problem(path, "does not exist")) from error
    except OSError as error:
        raise ConfigError(Problem(path, f"cannot be read: {error.strerror}")) from error
    except ValueError as error:
        raise ConfigError(Problem(path, "is not the name of a file")) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(Problem(path, f"is larger than {MAX_FILE_BYTES} bytes"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem(path, "is not UTF-8 text", line=line)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


class _Unacceptable(ValueError):
    """JSON to Python's parser, but not to us."""


def load_json(path: Path) -> object:
    """Return what a JSON file holds, objects in the order of the file.

    Raises ConfigError for what `load_text` refuses, for what is not JSON, and for slips that Python's parser
    lets pass: a key given twice, numbers that are none, half characters.
    """
    text = load_text(path)
    if not text.strip():
        raise ConfigError(Problem(path, "is empty; JSON is expected"))
    try:
        return _parse_json(text)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg} (column {error.colno})"
        raise ConfigError(Problem(path, what, line=error.lineno)) from error
    except _Unacceptable as error:
        raise ConfigError(Problem(path, str(error))) from error
    except UnicodeEncodeError as error:
        raise ConfigError(Problem(path, r"holds half a character, such as \ud800")) from error
    except RecursionError as error:
        raise ConfigError(Problem(path, "is nested too deeply")) from error
    except ValueError as error:
        raise ConfigError(Problem(path, "holds a number of too many digits")) from error


def json_or_none(text: str) -> object:
    """Return what a JSON text holds, None for a text that is no JSON: to see what sort of file it is, not to read it.

    >>> json_or_none('{"points": true}'), json_or_none("points = true")
    ({'points': True}, None)
    """
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content


def _parse_json(text: str) -> object:
    value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise _Unacceptable(f'gives the key "{key:.80}" twice')
        result[key] = value
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Unacceptable(f"holds {text:.20}, which is not a finite number")
    return value


class FileStamp(NamedTuple):
    """What tells one state of a file from another; the change time because a chmod can make it readable."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    modified_seconds: float


def file_stamp(path: Path) -> FileStamp | None:
    """Return what tells the state that a file is in from others; None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileStamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mtime)


class Reloading(Generic[T]):
    """A value made from a file, made again when the file has changed; safe to use from several threads.

    A change for the worse (file gone or wrong) is logged once, and the last good value stays.
    Raises ConfigError, from `load`, when there is no good value to begin with.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[Path], T],
        *,
        look_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The file is not looked at again for look_seconds after it was: for who asks thousands of times a second."""
        self.path = path
        self._load = load
        self._look_seconds = look_seconds
        self._clock = clock
        self._looked_at = clock()
        self._lock = threading.Lock()
        self._seen = file_stamp(path)
        self._value = load(path)
        self._loaded = self._seen

    def get(self) -> T:
        """Return the value of the file as it is now, or as it was when it was last good."""
        if self._look_seconds and self._clock() - self._looked_at < self._look_seconds:
            return self._value
        with self._lock:
            self._follow()
            return self._value

    @property
    def modified_seconds(self) -> float:
        """When the file that the value comes from was written, in seconds since 1970 UTC."""
        with self._lock:
            self._follow()
            return self._loaded.modified_seconds if self._loaded else 0.0

    def _follow(self) -> None:
        self._looked_at = self._clock()
        found = file_stamp(self.path)
        if found == self._seen:
            return
        self._seen = found  # before reading: what is written meanwhile is noticed the next time
        try:
            self._value = self._load(self.path)
        except ConfigError as error:
            logger.error("%s; going on with what was read before", error)
            return
        self._loaded = found
        logger.info("read again file=%s", self.path)


def load_entries(path: Path) -> frozenset[str]:
    """Return the entries of a text list: one a line, white space around, empty lines and `#` lines ignored."""
    lines = map(str.strip, load_text(path).split("\n"))
    return frozenset(line for line in lines if line and not line.startswith("#"))


class Blacklist:
    """A text list of what is not wanted, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._entries = Reloading(path, load_entries)

    @property
    def modified_seconds(self) -> float:
        """When the list was written, in seconds since 1970 UTC."""
        return self._entries.modified_seconds

    def allows(self, entry: str) -> bool:
        """Return whether entry is not in the list, and log it."""
        allowed = entry not in self._entries.get()
        if allowed:
            logger.debug("ALLOWED: %s", entry)
        else:
            logger.debug("REJECT: %s in blacklist: %s", entry, self._entries.path)
        return allowed


class Whitelist:
    """A text list of what alone is wanted, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._entries = Reloading(path, load_entries)

    def allows(self, entry: str) -> bool:
        """Return whether entry is in the list, and log it.

        Users print the hosts that are missing with `awk '/REJECT/ {print $7}'`: the line begins as it does
        for their sake.
        """
        allowed = entry in self._entries.get()
        if allowed:
            logger.debug("ALLOWED: %s", entry)
        else:
            logger.debug("REJECT: %s not in whitelist: %s", entry, self._entries.path)
        return allowed


def write_private(path: Path, content: bytes | str, *, mode: int = 0o600) -> None:
    """Put content in a file so that readers and power cuts see the old one or the new one, whole.

    The new file has this mode whatever the old one's or the umask. Raises OSError; nothing is left behind then.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in a directory survive a power cut; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json_cache(path: Path) -> dict[str, object] | None:
    """Return the object in a JSON file of ours, or None: anybody may empty a cache, so damage is only warned of."""
    try:
        value = load_json(path)
    except ConfigError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            logger.warning("cache passed over: %s", error)
        return None
    if not isinstance(value, dict):
        logger.warning("cache passed over: %s: is not a JSON object", path)
        return None
    return value
