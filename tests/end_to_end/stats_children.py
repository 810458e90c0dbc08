"""stats-service of which one process dies at a step, once, or whose clock is another one: run in place of it.

[sys.executable, "tests/end_to_end/stats_children.py", "service.ini", "--dies", "committed", "--once", "died"]
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__)
STEPS = ("filled", "committed", "sent", "deleted")
"""Of a group of events: the rows are written, they are committed; then the store has them, the outbox forgot them."""


def dying_at(step: str, once: Path) -> None:
    """Be killed at the first step of this kind that any process comes to; the file says that it happened."""
    from importer.events import archive
    from importer.events.meters import Meters
    from importer.outbox import Outbox

    def die() -> None:
        if not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    if step == "filled":
        _surround(archive, "accept", after=die)
    elif step == "committed":
        _surround(Meters, "committed", after=die)
    elif step == "sent":
        _surround(Outbox, "delivered", before=die)
    else:
        _surround(Outbox, "delivered", after=die)


def with_clock_ahead(seconds: int) -> None:
    """Have a wall clock that is ahead by so much; to be called before anything of ours is imported."""
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + seconds * 10**9


def _nothing() -> None:
    return


def _surround(
    owner: object, name: str, *, before: Callable[[], None] = _nothing, after: Callable[[], None] = _nothing
) -> None:
    inner = getattr(owner, name)

    def outer(*arguments: object, **keywords: object) -> object:
        before()
        result = inner(*arguments, **keywords)
        after()
        return result

    setattr(owner, name, outer)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--dies", choices=STEPS)
    parser.add_argument("--once", type=Path)
    parser.add_argument("--ahead", type=int, default=0)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with_clock_ahead(options.ahead)
    if options.dies:
        dying_at(options.dies, options.once)

    from importer.cli.stats_service import main as stats_service  # late: it takes the clock as it is then

    return stats_service(["-c", str(options.config)])


if __name__ == "__main__":
    raise SystemExit(main())
