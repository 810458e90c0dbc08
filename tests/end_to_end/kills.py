"""Instants at which a command is killed, and the stores it then has to do with."""

import itertools
import random
import signal
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from subprocess import Popen, TimeoutExpired

from importer.simulators import graphite
from importer.simulators.base import Exchange
from importer.simulators.graphite import Mode, ReceivedConnection
from tests.end_to_end.world import WAIT_SECONDS, World

Kill = Callable[[], None]
STORE_STATES = ("up", "up", "down", "resets", "closes")


@dataclass(frozen=True)
class Measure:
    """What one whole cycle came to."""

    seconds: float
    requests: int
    payloads: int
    store_bytes: int


def measure(world: World, name: str) -> Measure:
    """Make one cycle that nothing disturbs, and return what it came to."""
    asked, sent = world.vendor.request_count, len(world.store.settle())
    result = world.run_well(name)
    connections = world.store.settle()[sent:]
    store_bytes = sum(connection.byte_count for connection in connections)
    return Measure(result.seconds, world.vendor.request_count - asked, len(connections), store_bytes)


def set_store(world: World, state: str, *, after_bytes: int) -> None:
    """Let the store be up, down, reset each connection after so many bytes, or close each at once."""
    if state == "down":
        world.store.down()
        return
    modes = {"up": graphite.normal, "resets": graphite.reset_after(after_bytes), "closes": graphite.accept_then_close}
    world.store.up(modes[state])


class Instant:
    """Arms one way to kill a process; `describe` names it where a test fails."""

    def __init__(self, describe: str, arm: Callable[[World, Kill], None], *, seconds: float = WAIT_SECONDS) -> None:
        self.describe = describe
        self.arm = arm
        self.seconds = seconds
        """When the process is killed whatever happens."""


def at_request(number: int, *, answered: bool) -> Instant:
    """Kill when so many requests came to the vendor, before or just after the last one is answered."""

    def arm(world: World, kill: Kill) -> None:
        count = itertools.count(1)

        def fault(exchange: Exchange) -> None:
            if answered:
                exchange.proceed()
                kill()
            else:
                kill()
                exchange.reset()

        world.vendor.fail(fault, when=lambda request: next(count) == number)

    return Instant(f"request {number}{' answered' if answered else ''}", arm)


def at_byte(number: int) -> Instant:
    """Kill when so many bytes came to the store, on however many connections."""
    return Instant(f"byte {number}", lambda world, kill: _set_mode(world, partial(_kill_at_byte, [number], kill)))


def at_end_of_payload(number: int) -> Instant:
    """Kill when the store has read that payload to its end and has not yet closed the connection."""
    return Instant(f"end of payload {number}", lambda world, kill: _set_mode(world, _EndOfPayload(number, kill)))


def after_seconds(seconds: float) -> Instant:
    """Kill after so long."""
    return Instant(f"{seconds:.3f} s", lambda world, kill: None, seconds=seconds)


def _set_mode(world: World, mode: Mode) -> None:
    world.store.receiver.mode = mode


def _kill_at_byte(left: list[int], kill: Kill, connection: ReceivedConnection) -> None:
    while data := connection.read(max(1, left[0])):
        left[0] -= len(data)
        if left[0] == 0:
            kill()


class _EndOfPayload:
    def __init__(self, number: int, kill: Kill) -> None:
        self._left = number
        self._kill = kill

    def __call__(self, connection: ReceivedConnection) -> None:
        graphite.normal(connection)
        self._left -= 1
        if self._left == 0:
            self._kill()


def random_instant(chance: random.Random, state: str, whole: Measure) -> Instant:
    """Return an instant of a cycle; one at the store only where the store reads."""
    kinds: list[Callable[[], Instant]] = [
        lambda: after_seconds(chance.uniform(0.0, whole.seconds)),
        lambda: at_request(chance.randint(1, whole.requests), answered=chance.random() < 0.5),
    ]
    if state == "up":
        kinds += [
            lambda: at_byte(chance.randint(1, whole.store_bytes)),
            lambda: at_byte(chance.randint(1, whole.store_bytes)),
            lambda: at_end_of_payload(chance.randint(1, whole.payloads)),
        ]
    return chance.choice(kinds)()


def run_struck(world: World, name: str, instant: Instant, *, number: signal.Signals) -> int:
    """Make a cycle that gets a signal at an instant, if it lasts that long; return how it ended.

    It ends by the signal or without a word. The points of a killed one's last connection may rightly come again.
    """
    before = len(world.store.settle())
    victim: Future[Popen[str]] = Future()

    def strike() -> None:
        victim.result(WAIT_SECONDS).send_signal(number)

    instant.arm(world, strike)
    with world.start(name, "--once") as process:
        victim.set_result(process)
        try:
            process.wait(instant.seconds)
        except TimeoutExpired:
            strike()
            process.wait(WAIT_SECONDS)
        code, errors = process.returncode, process.communicate(timeout=WAIT_SECONDS)[1]
    world.vendor.heal()
    world.store.settle()
    assert errors == "", f"{name}, {instant.describe}"
    if code == -signal.SIGKILL:
        world.store.excuse_last(before)
    return code


def run_killed(world: World, name: str, instant: Instant) -> bool:
    """Make a cycle that is killed at an instant; return whether it was, or ended before, then well."""
    code = run_struck(world, name, instant, number=signal.SIGKILL)
    assert code in {0, -signal.SIGKILL}, f"{name}, {instant.describe}"
    return code != 0
