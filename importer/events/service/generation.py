"""The processes that one configuration gave: which there are, which are to be started again, and how they end."""

import logging
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.7
"""Children that have not ended so long after SIGTERM are killed: what was answered is on the disk."""
RESTART_SECONDS = 1.0
"""How long a process that died is waited for before another takes its place."""
_ENDED_AS_ASKED = (0, -signal.SIGTERM)
"""How a process ends that was told to: who sends SIGTERM to all of them will stop the service, too."""

Ready = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Role:
    """What a child process does; `run` calls what it is given as soon as it can be relied on."""

    name: str
    run: Callable[[Ready], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration asks for."""

    roles: Sequence[Role]
    prepare: Callable[[], None]
    """Makes ready what the processes need; to be called before they are started. Raises ImporterError."""
    check: Callable[[], None] = lambda: None
    """Raises ImporterError where it is of no use to start a process again that has ended."""
    shared: object = None
    """What the processes have to agree on: those of two plans run side by side only if it is equal."""


@dataclass(slots=True)
class _Child:
    role: Role
    pid: int
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class _Restart:
    child: _Child
    """The one that ended."""
    code: int
    due: float

    @property
    def is_told(self) -> bool:
        return self.code not in _ENDED_AS_ASKED


class Generation:
    """The children of one plan; `now` is always of the same rising clock."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._children: dict[int, _Child] = {}
        self._restarts: list[_Restart] = []
        self._is_stopping = False
        self._kill_at = math.inf

    def __len__(self) -> int:
        """Return how many children there are."""
        return len(self._children)

    @property
    def is_ready(self) -> bool:
        """Whether there is a child for each role, and each can be relied on."""
        return not self._restarts and all(child.is_ready for child in self._children.values())

    @property
    def next_moment(self) -> float:
        """When something is to be done for it; infinity if nothing is."""
        return min([self._kill_at, *(restart.due for restart in self._restarts)])

    def add(self, role: Role, pid: int) -> None:
        """Look after a child that was started."""
        self._children[pid] = _Child(role, pid)

    def note_ready(self, pid: int) -> None:
        """Note that a child can be relied on, if it is one of these."""
        if pid in self._children:
            self._children[pid].is_ready = True

    def has_failed(self, now: float) -> bool:
        """Whether a child ended that nobody asked to."""
        return any(restart.is_told or restart.due <= now for restart in self._restarts)

    def reap(self, now: float) -> None:
        """Take note of children that ended, and kill those that are late in doing so."""
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._note_end(self._children.pop(pid), os.waitstatus_to_exitcode(status), now)
        if now >= self._kill_at:
            self._kill_at = math.inf
            for child in self._children.values():
                logger.warning("process killed, it did not end: role=%s pid=%d", child.role.name, child.pid)
                os.kill(child.pid, signal.SIGKILL)

    def _note_end(self, child: _Child, code: int, now: float) -> None:
        if self._is_stopping:
            return
        restart = _Restart(child, code, now + RESTART_SECONDS)
        self._restarts.append(restart)
        if restart.is_told:
            _tell_death(restart)

    def take_due(self, now: float) -> list[Role]:
        """Return the roles that are to be started again now."""
        due = [restart for restart in self._restarts if restart.due <= now]
        self._restarts = [restart for restart in self._restarts if restart.due > now]
        for restart in due:
            if not restart.is_told:  # so it was not the service that is to end
                _tell_death(restart)
        return [restart.child.role for restart in due]

    def stop(self, now: float) -> None:
        """Ask all children to end, once; none is started again."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._restarts.clear()
        if self._children:
            self._kill_at = now + STOP_SECONDS
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)


def _tell_death(restart: _Restart) -> None:
    child = restart.child
    logger.error("process died: role=%s pid=%d code=%d", child.role.name, child.pid, restart.code)
