"""Commands in processes of their own that die at a labelled step, or whose clock, disk or patience is another one.

    [sys.executable, "-c", "...dying_at(...)", "livestats", "--once"]

Each function changes this process, which then is the command, and those that it forks.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.commands import ROOT
from tests.servers.process import die_with_parent

STEPS = (
    "before begin",
    "after begin",
    "after move_cursor",
    "after add",
    "before commit",
    "after commit",
    "before deliver",
    "after deliver",
    "in delete",
    "after delete",
)
SERVICE_STEPS = ("filled", "committed", "sent", "deleted")
"""Of a group of events: the rows are written, they are committed; then the store has them, the outbox forgot them."""
_Function = Callable[..., object]


def command_line(change: _Function, *arguments: object, name: str, options: Iterable[str]) -> list[str]:
    """Return the words that run the command `name` in a process that a function of this module has changed."""
    return die_with_parent([sys.executable, *python_words(change, *arguments, name=name, options=options)])


def python_words(change: _Function, *arguments: object, name: str, options: Iterable[str]) -> list[str]:
    """Return what follows the interpreter in a command_line()."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.end_to_end import children;"
        f" children.{change.__name__}(*{arguments!r}); sys.exit(children.main({name!r}))"
    )
    return ["-c", code, *options]


def main(name: str) -> int:
    """Run the command of this name with the process's arguments; return its exit code."""
    from importer.cli.apteligent import main as apteligent
    from importer.cli.stats_service import (
        main as stats_service,  # late: what runs before may change what they take from others
    )

    function: Callable[[], int] = stats_service.main if name == "stats-service" else getattr(apteligent, name)
    return function()


def dying_at(fatal_step: str, occurrence: int) -> None:
    """Be killed when a step of the outbox is reached for that time."""
    from importer.outbox import Outbox, Transaction
    from importer.sinks.graphite import GraphiteSink

    left = occurrence

    def step(name: str) -> None:
        nonlocal left
        left -= name == fatal_step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(Outbox, "transaction", _stepping_transaction(Outbox.transaction, step))  # noqa: B010 - a method
    _surround(Transaction, "move_cursor", after=lambda: step("after move_cursor"))
    _surround(Transaction, "add", after=lambda: step("after add"))
    _surround(GraphiteSink, "deliver", before=lambda: step("before deliver"), after=lambda: step("after deliver"))
    _surround(Outbox, "_forget", after=lambda: step("in delete"))
    _surround(Outbox, "delivered", after=lambda: step("after delete"))


def service_dying_at(step: str, once: str) -> None:
    """Be killed at the first of the SERVICE_STEPS of this name that any process comes to; a file is made to say so."""
    from importer.events import archive
    from importer.events.service.meters import Meters
    from importer.outbox import Outbox

    died = Path(once)

    def die() -> None:
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    if step == "filled":
        _surround(archive, "accept", after=die)
    elif step == "committed":
        _surround(Meters, "committed", after=die)
    elif step == "sent":
        _surround(Outbox, "delivered", before=die)
    else:
        _surround(Outbox, "delivered", after=die)


def with_clock_ahead(seconds: float) -> None:
    """Have a wall clock that is ahead by so much, or behind."""
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + round(seconds * 10**9)


def before_full_minute() -> tuple[Callable[[float], None], float]:
    """Return the change to a clock that comes to a full minute in five seconds, for a service with a cycle then."""
    return with_clock_ahead, 55 - time.time() % 60


def waiting_for_stores(seconds: float) -> None:
    """Wait for a Graphite receiver no longer than this."""
    from importer.sinks.graphite import GraphiteSink

    keywords = GraphiteSink.__init__.__kwdefaults__
    assert keywords is not None
    keywords["timeout_seconds"] = seconds


def with_small_files(max_bytes: int) -> None:
    """Be unable to write files larger than this, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))


def _surround(
    owner: object, name: str, *, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> None:
    inner = getattr(owner, name)

    def outer(*arguments: object, **keywords: object) -> object:
        before()
        result = inner(*arguments, **keywords)
        after()
        return result

    setattr(owner, name, outer)


def _stepping_transaction(
    inner: Callable[..., AbstractContextManager[object]], step: Callable[[str], None]
) -> Callable[..., AbstractContextManager[object]]:
    @contextlib.contextmanager
    def transaction(outbox: object) -> Iterator[object]:
        step("before begin")
        with inner(outbox) as changes:
            step("after begin")
            yield changes
            step("before commit")
        step("after commit")

    return transaction
