"""The newest samples of a Prometheus destination, in a file: they outlive the process, and processes share them.

The file is Prometheus' text, so that node_exporter can read it. What that text cannot hold, the time of each sample,
follows in comments, a line of JSON each:

    # HELP shop_dau Newest value that metrics-importer was given.
    # TYPE shop_dau gauge
    shop_dau 48213.0
    # sample ["shop_dau",[],1462147200,48213]
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.errors import SinkRefused
from importer.sinks.exposition import Reading, Samples, Series, expose, parse_row, sample_row
from importer.sinks.file_failure import LOCK_SECONDS, file_error, lock_file
from importer.stores import FileStamp, file_stamp, write_private

_HEADER = b"# Written by metrics-importer, which reads it again: changes would be lost.\n"
_ROW = b"# sample "


class SampleFile:
    """A file of samples, for one lane; `exposed` says whether others are to read it, thus with text and mode 0644.

    Its methods raise SinkUnavailable or SinkRefused for what the file system answers.
    """

    def __init__(self, path: Path, lane: str, *, exposed: bool = False, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = path.absolute()
        self._lane = lane
        self._exposed = exposed
        self._lock_seconds = lock_seconds
        self._samples: Samples = {}
        self._stamp: FileStamp | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the file while the block reads it and writes it again.

        Waits for one that has it already, but not for ever: raises SinkUnavailable then.
        """
        with self._told_errors():
            # Beside the file, which is replaced by every save; nobody else looks at a name that begins with a dot.
            lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self._told_errors():
                lock_file(lock, self._lane, timeout_seconds=self._lock_seconds)
            yield
        finally:
            os.close(lock)

    def load(self) -> Samples:
        """Return the samples in the file, none if there is no file; raises SinkRefused for one that is not ours."""
        stamp = file_stamp(self.path)
        if stamp is None:
            return {}
        if stamp != self._stamp:
            with self._told_errors():
                data = self.path.read_bytes()
            self._samples, self._stamp = self._parse(data), stamp
        return self._samples

    def save(self, samples: Samples) -> None:
        """Write the file anew; it is safe on disk when this returns, and others see the old one or the new one."""
        rows = [_ROW + sample_row(series, samples[series]).encode() + b"\n" for series in sorted(samples)]
        text = expose(samples) if self._exposed else b""
        with self._told_errors():
            write_private(self.path, b"".join((_HEADER, text, *rows)), mode=0o644 if self._exposed else 0o600)
        self._samples, self._stamp = samples, file_stamp(self.path)

    def check(self) -> str:
        """Return what is to be said of the file, without its name; changes nothing."""
        if file_stamp(self.path) is not None:
            return f"holds {len(self.load())} series"
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise SinkRefused(self._lane, f"{self.path.parent} is no directory that this user may write to")
        return "will be made"

    def _parse(self, data: bytes) -> dict[Series, Reading]:
        if data and not data.startswith(_HEADER):
            raise SinkRefused(self._lane, f"{self.path} is another program's file; name another path")
        samples: dict[Series, Reading] = {}
        for number, line in enumerate(data.split(b"\n"), start=1):
            if not line.startswith(_ROW):
                continue
            try:
                series, reading = parse_row(json.loads(line.removeprefix(_ROW)))
            except ValueError as error:
                reason = f"{self.path}:{number} is damaged ({error}); delete the file to begin anew"
                raise SinkRefused(self._lane, reason) from error
            samples[series] = reading
        return samples

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise file_error(self._lane, error) from error
