"""Tasks that each run every so many seconds from their first start, side by side and never twice at once.

    periodic = Periodic(pool, wake=wake.set)
    periodic.replace(tasks)
    while not stop.is_set():
        wake.wait(periodic.start_due())
        wake.clear()

For vendors that are asked at a pace of their own; what runs at times of the clock is in `importer.schedule`.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

SPACING_SECONDS = 0.004
"""First starts are so far apart, and so are all later ones: a vendor need not answer hundreds at one instant."""


@dataclass(frozen=True, slots=True)
class Task:
    """What runs, how often, and by which definition; a task whose definition is equal keeps its times."""

    name: str
    """Unique among the tasks."""
    period_seconds: float
    definition: object
    run: Callable[[], None] = field(compare=False)
    """Called in a thread of the pool; what it raises is a bug, which is logged."""


@dataclass(slots=True)
class _Entry:
    task: Task
    first_start: float
    next_start: float
    started: bool = False

    def skip_to(self, now: float) -> None:
        """Move the next start to the first one after now: what was missed is not made up for."""
        periods = math.floor((now - self.first_start) / self.task.period_seconds) + 1
        self.next_start = self.first_start + periods * self.task.period_seconds


class Periodic:
    """Starts tasks in an executor when they are due. `replace` and `start_due` are for one thread alone.

    A task that is still running when its next start comes misses that one. `wake` is called, from another thread,
    when something can be started that had to wait for a former task of the same name.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        spacing_seconds: float = SPACING_SECONDS,
    ) -> None:
        self._executor = executor
        self._wake = wake
        self._clock = clock
        self._spacing_seconds = spacing_seconds
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._waiting: set[str] = set()

    def replace(self, tasks: Collection[Task]) -> None:
        """Run these tasks from now on: new and changed ones at once, the others when they would have run anyway.

        What is running comes to its end, also where its task is gone.
        """
        start = self._clock()
        entries: dict[str, _Entry] = {}
        for task in tasks:
            known = self._entries.get(task.name)
            if known is not None and known.task == task:
                known.task = task
                entries[task.name] = known
            else:
                entries[task.name] = _Entry(task, start, start)
                start += self._spacing_seconds
        self._entries = entries

    def start_due(self) -> float:
        """Start what is due, and return for how many seconds nothing will be; infinity where nothing ever is."""
        now = self._clock()
        next_start = math.inf
        for entry in self._entries.values():
            if entry.next_start <= now and self._has_to_wait(entry):
                continue  # `wake` will be called
            if entry.next_start <= now:
                self._start(entry, now)
            next_start = min(next_start, entry.next_start)
        return max(0.0, next_start - self._clock())

    def _has_to_wait(self, entry: _Entry) -> bool:
        """Whether a former task of the same name has to end before this one starts for the first time."""
        with self._lock:
            if entry.started or entry.task.name not in self._running:
                return False
            self._waiting.add(entry.task.name)
            return True

    def _start(self, entry: _Entry, now: float) -> None:
        entry.skip_to(now)
        with self._lock:
            is_running = entry.task.name in self._running
            self._running.add(entry.task.name)
        if is_running:
            logger.info("start left out, the last run is not over: task=%s", entry.task.name)
            return
        entry.started = True
        self._executor.submit(self._run, entry.task)

    def _run(self, task: Task) -> None:
        try:
            task.run()
        except Exception:  # a bug in one run: the next one may get round it
            logger.exception("run failed: task=%s", task.name)
        finally:
            self._finish(task.name)

    def _finish(self, name: str) -> None:
        with self._lock:
            self._running.discard(name)
            is_wanted = name in self._waiting
            self._waiting.discard(name)
        if is_wanted:
            self._wake()
