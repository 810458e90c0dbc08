"""What becomes of a command's figures after a run: points in its outbox, and a file for node_exporter.

A run never fails for it, and what is off costs one look at the file that says so.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from importer.errors import OutboxError
from importer.outbox import Outbox
from importer.points import Point
from importer.self_metrics.figures import Command, Figures, figures_of
from importer.self_metrics.points import points_of
from importer.self_metrics.settings import DEFAULT_ROOT, FILE_NAME, Settings, load_settings
from importer.sinks.base import PointSink, Sink
from importer.stores import Reloading, write_private

logger = logging.getLogger(__name__)

_TEXTFILE_MODE = 0o644
"""node_exporter is another user."""


class SelfMetrics:
    """Publishes the figures of one command as self-metrics.json of its project says."""

    def __init__(
        self,
        command: Command,
        directory: Path | None,
        *,
        metric_root: str = DEFAULT_ROOT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the file in a configuration directory, if there is one; raises ConfigError.

        `metric_root` is the first element of the command's other points. A file that changes is read again.
        """
        self.command = command
        self._metric_root = metric_root
        self._clock = clock
        self._settings = None if directory is None else Reloading(directory / FILE_NAME, load_settings)
        self._has_failed = False

    def publish(self, outbox: Outbox, sinks: Iterable[Sink]) -> list[str]:
        """Publish what the outbox tells, and return the lanes in which points wait now; raises nothing of the disk.

        Of the sinks those that take points get them. Lanes whose last delivery failed are not returned: they are in
        their pause, and the points wait like everything else.
        """
        settings = Settings() if self._settings is None else self._settings.get()
        if not settings.points and settings.textfile is None:
            return []
        lanes: list[str] = []
        now = self._clock()
        with self._coping():
            figures = figures_of(self.command, outbox)
            if settings.textfile is not None:
                with self._coping(settings.textfile):
                    self._write_textfile(settings.textfile, figures, now)
            if settings.points:
                points = points_of(figures, settings.metric_root or self._metric_root, now=now)
                away = {lane.lane for lane in figures.lanes if lane.problem}
                lanes += [lane for lane in self._queued(outbox, sinks, points) if lane not in away]
        return lanes

    def _queued(self, outbox: Outbox, sinks: Iterable[Sink], points: Sequence[Point]) -> Iterator[str]:
        """Queue points for each destination of points, and yield the lanes: a full one costs the others nothing."""
        for sink in sinks:
            if isinstance(sink, PointSink):
                with self._coping():
                    with outbox.transaction() as transaction:
                        transaction.add(sink.lane, sink.encode(points))
                    yield sink.lane

    @contextmanager
    def _coping(self, directory: Path | None = None) -> Iterator[None]:
        """Log what the disk or the clock does to the block, as a warning the first time.

        `directory` is where the block writes. A time or a number that no point can have is a ValueError or an
        OverflowError.
        """
        try:
            yield
        except (OutboxError, OSError, ValueError, OverflowError) as error:
            level = logging.DEBUG if self._has_failed else logging.WARNING
            reason = f"{directory}: {error.strerror}" if directory and isinstance(error, OSError) else error
            logger.log(level, "self-metrics not published: %s", reason)
            self._has_failed = True

    def _write_textfile(self, directory: Path, figures: Figures, now: float) -> None:
        from importer.exporter.exposition.text import text  # on use: mostly it is off
        from importer.self_metrics.families import families_of_file

        path = directory / f"metrics-importer-{self.command.project}-{self.command.name}.prom"
        write_private(path, text(families_of_file(figures, now=now)), mode=_TEXTFILE_MODE)


OFF = SelfMetrics(Command("", ""), None)
"""Publishes nothing."""
