"""What Prometheus is told of the service; the processes of one service count together.

prometheus_client keeps the counters of several processes in files of a directory, which it asks the environment for
when it is imported: `shared_between_processes` comes first. The files are mapped into memory: on a disk that is full a
process that begins one is killed by SIGBUS, so they lie on a file system in memory where there is one.
https://prometheus.github.io/client_python/multiprocess/ (2026-11-28)
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import ConfigError, OutboxError
from importer.events.settings.directory import PROJECT
from importer.outbox_view import LaneState
from importer.paths import make_private

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there is ours alone, or not used
"""A file system in memory, on Linux."""
_ROOM_BYTES = 8 * 2**20
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_DELIVERY_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


@contextmanager
def shared_between_processes(state_dir: Path, *, memory: Path = MEMORY) -> Iterator[Path]:
    """Let this process and those that it starts count together, in a directory that is gone after the block.

    Those that were left behind by services of the same state directory are removed. Raises OutboxError.
    """
    directory = _make_directory(state_dir, memory)
    os.environ[_DIRECTORY_VARIABLE] = str(directory)
    try:
        yield directory
    finally:
        os.environ.pop(_DIRECTORY_VARIABLE, None)
        shutil.rmtree(directory, ignore_errors=True)  # the next service tries again
        with suppress(OSError):  # another service of this state directory has begun
            directory.parent.rmdir()


def _make_directory(state_dir: Path, memory: Path) -> Path:
    digest = hashlib.sha256(bytes(state_dir.absolute())).hexdigest()[:12]
    name = f"{PROJECT}-{os.geteuid()}-{digest}"
    if _has_room(memory):
        try:
            return _made(memory, name)
        except (ConfigError, OSError) as error:
            logger.warning("not counted in memory, but in %s: %s", state_dir, error)
    try:
        return _made(state_dir, f"{PROJECT}.meters")
    except OSError as error:
        raise OutboxError(state_dir, error.strerror or str(error)) from error


def _made(parent: Path, name: str) -> Path:
    """Return an empty directory of this process, below one that is ours alone. Raises ConfigError and OSError."""
    common = parent / name
    make_private(common, os.geteuid())
    for left in common.iterdir():
        if not (left.name.isdecimal() and Path(f"/proc/{left.name}").exists()):
            shutil.rmtree(left, ignore_errors=True)
    own = common / str(os.getpid())
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    return own


def _has_room(memory: Path) -> bool:
    try:
        found = os.statvfs(memory)
    except OSError:
        return False
    return os.access(memory, os.W_OK | os.X_OK) and found.f_bavail * found.f_frsize >= _ROOM_BYTES


class Meters:
    """The counters of this process. One instance a process; make it in `shared_between_processes`."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()  # the answer is made of what all processes wrote
        self.accepted = Counter("stats_service_accepted", "Events that were answered with 200.", registry=own)
        self.rejected = Counter(
            "stats_service_rejected", "Requests that were refused, by reason.", ["reason"], registry=own
        )
        self.commit_seconds = Histogram(
            "stats_service_commit_seconds", "How long a group commit took.", buckets=_COMMIT_BUCKETS, registry=own
        )
        self.delivery_seconds = Histogram(
            "stats_service_delivery_seconds",
            "From the acceptance of an event to its delivery, of the oldest event of each delivery.",
            buckets=_DELIVERY_BUCKETS,
            registry=own,
        )

    def committed(self, events: int, seconds: float) -> None:
        """Count a group commit."""
        self.accepted.inc(events)
        self.commit_seconds.observe(seconds)


def exposition(lanes: Iterable[LaneState], rejects: int, *, names: Mapping[str, str]) -> bytes:
    """Return what all processes counted, and what waits now, in the text format of Prometheus.

    `names` are what lanes are called: anybody may ask, and they hold addresses.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_backlog(list(lanes), rejects, names))
    return generate_latest(registry)


def _backlog(lanes: list[LaneState], rejects: int, names: Mapping[str, str]) -> "Collector":
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class Backlog(Collector):
        def collect(self) -> Iterator[Metric]:
            events = GaugeMetricFamily(
                "stats_service_backlog_events", "Events that wait for delivery.", labels=["destination"]
            )
            size = GaugeMetricFamily("stats_service_backlog_bytes", "Bytes that wait.", labels=["destination"])
            for lane in lanes:
                events.add_metric([names[lane.lane]], lane.points)
                size.add_metric([names[lane.lane]], lane.bytes)
            yield from (events, size)
            yield GaugeMetricFamily(
                "stats_service_set_aside", "Payloads that a store will never take, set aside.", value=rejects
            )

    return Backlog()
