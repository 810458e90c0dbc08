"""One look at all outboxes for all who watch: taken in a thread, and not more often than every two seconds."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from importer.cli.metrics_importer.command_status import CommandStatus, read_status
from importer.cli.metrics_importer.projects import OutboxFile, Project, StateFiles, find_state
from importer.dashboard.overview import Watched, overview
from importer.errors import ImporterError, OutboxError
from importer.outbox_view import WATCHER_BUSY_SECONDS, OutboxView

INTERVAL_SECONDS = 2.0
"""A look is not repeated before."""
MAX_REJECTS = 50
"""Of one command that are told one by one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there was to see at one moment."""

    version: str
    """Another one for other contents; ages, which change all the time, do not count."""
    content: dict[str, object]
    """As `overview` returns it, with the version and the stamp of the embedded stores."""


def take(projects: Sequence[Project], stores: Callable[[StateFiles], Sequence[Path]], *, now: float) -> Snapshot:
    """Return what the outboxes of projects tell; `now` is in seconds since 1970 UTC.

    What cannot be looked into becomes a warning of the snapshot.
    """
    try:
        found = find_state(projects)
    except ImporterError as error:  # a directory that somebody has changed since we began
        found = StateFiles(warnings=[str(error)])
    watched = [_watch(outbox) for outbox in found.outboxes]
    warnings = found.warnings if not watched else []
    content = overview(watched, warnings=warnings, now=now)
    content["stores"] = [{"store": str(path), "stamp": _stamp(path)} for path in stores(found)]
    stable = repr((watched, content["notes"], content["stores"]))
    content["version"] = version = blake2b(stable.encode(errors="replace"), digest_size=9).hexdigest()
    return Snapshot(version, content)


def _watch(outbox: OutboxFile) -> Watched:
    status = read_status(outbox, busy_seconds=WATCHER_BUSY_SECONDS)
    if status.error:
        return Watched(status)
    try:
        with OutboxView.open(outbox.path, busy_seconds=WATCHER_BUSY_SECONDS) as view:
            rejects = view.rejects()[: -MAX_REJECTS - 1 : -1] if status.rejects else []
            return Watched(status, tuple(rejects), view.totals().max_bytes)
    except OutboxError as error:
        return Watched(CommandStatus(outbox, error=str(error)))


def _stamp(path: Path) -> str:
    """Return what is another text once something was written to a store."""
    parts = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            seen = file.stat()
        except OSError:
            continue
        parts.append(f"{seen.st_mtime_ns:x}-{seen.st_size:x}")
    return ".".join(parts)


class Snapshots:
    """Gives snapshots to coroutines of one event loop."""

    def __init__(
        self,
        look: Callable[[], Snapshot],
        executor: Executor,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._executor = executor
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._latest: Snapshot | None = None
        self._taken_at = 0.0
        self._taking: asyncio.Future[Snapshot] | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Let all who wait have what there is."""
        self._stopped.set()

    async def latest(self) -> Snapshot:
        """Return a snapshot that is not older than the interval."""
        if self._latest is not None and self._clock() < self._taken_at + self._interval_seconds:
            return self._latest
        if self._taking is None:
            self._taking = asyncio.get_running_loop().run_in_executor(self._executor, self._look)
            self._taking.add_done_callback(self._keep)
        return await asyncio.shield(self._taking)

    async def other_than(self, version: str, *, seconds: float) -> Snapshot:
        """Return the next snapshot of another version, or after so many seconds, or at the end, the one that is."""
        deadline = self._clock() + seconds
        while True:
            found = await self.latest()
            now = self._clock()
            if found.version != version or now >= deadline or self._stopped.is_set():
                return found
            await self._pause(max(0.0, min(self._taken_at + self._interval_seconds, deadline) - now))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return

    def _keep(self, taken: "asyncio.Future[Snapshot]") -> None:
        self._taking = None
        if not taken.cancelled() and taken.exception() is None:
            self._latest, self._taken_at = taken.result(), self._clock()
