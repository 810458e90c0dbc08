import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.errors import SourceError, Stopped
from importer.parallel import DaemonExecutor, Outcome, SerialExecutor, make_pool, map_ordered, map_unordered

WAIT_SECONDS = 20.0
MAPS = [map_unordered, map_ordered]

Map = Callable[..., Generator[Outcome[Any, Any], None, None]]


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def double(number: int) -> int:
    if number % 5 == 3:
        raise SourceError("test", f"no {number}")
    return number * 2


def told(outcomes: Iterable[Outcome[int, int]]) -> list[tuple[int, int | str]]:
    return [(outcome.item, str(outcome.error) if outcome.error else outcome.result()) for outcome in outcomes]


def expected(numbers: Iterable[int]) -> list[tuple[int, int | str]]:
    return [(number, f"test: no {number}" if number % 5 == 3 else number * 2) for number in numbers]


@given(numbers=st.lists(st.integers(0, 50), max_size=30), width=st.integers(1, 4), window=st.integers(1, 8))
@settings(max_examples=30)
def test_every_item_has_its_outcome(numbers: list[int], width: int, window: int) -> None:
    stop = threading.Event()
    with make_pool(width, "test", stop=stop) as pool:
        assert told(map_ordered(pool, double, numbers, window=window, stop=stop)) == expected(numbers)
        unordered = told(map_unordered(pool, double, numbers, window=window, stop=stop))
    assert sorted(unordered, key=str) == sorted(expected(numbers), key=str)


@pytest.mark.parametrize("map_", MAPS)
def test_any_executor_does(map_: Map, stop: threading.Event) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert sorted(told(map_(pool, double, range(3), window=4, stop=stop))) == expected(range(3))


def test_an_outcome_raises_its_error() -> None:
    error = SourceError("test", "no")
    with pytest.raises(SourceError) as caught:
        Outcome(1, None, error).result()
    assert caught.value is error


def test_the_first_to_be_done_comes_first(stop: threading.Event) -> None:
    second_read = threading.Event()

    def wait_if_first(number: int) -> int:
        assert number or second_read.wait(WAIT_SECONDS)
        return number

    with make_pool(2, "test", stop=stop) as pool:
        items = []
        for outcome in map_unordered(pool, wait_if_first, range(2), window=2, stop=stop):
            items.append(outcome.item)
            second_read.set()
    assert items == [1, 0]


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("width", [1, 3])
def test_a_bug_is_raised_and_the_rest_is_not_done(map_: Map, width: int, stop: threading.Event) -> None:
    done: list[int] = []

    def fail_at_five(number: int) -> None:
        if number == 5:
            raise ZeroDivisionError
        done.append(number)

    with make_pool(width, "test", stop=stop) as pool, pytest.raises(ZeroDivisionError):
        list(map_(pool, fail_at_five, range(1000), window=4, stop=stop))
    assert len(done) < 20


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("width", [1, 3])
def test_no_more_than_the_window_is_taken_ahead(map_: Map, width: int, stop: threading.Event) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            yield number

    with make_pool(width, "test", stop=stop) as pool:
        for read, _ in enumerate(map_(pool, str, items(), window=7, stop=stop)):
            assert len(taken) - read <= 7
    assert len(taken) == 200


def test_width_one_works_one_item_at_a_time_in_the_callers_thread(stop: threading.Event) -> None:
    threads: list[threading.Thread] = []
    with make_pool(1, "test", stop=stop) as pool:
        for read, _ in enumerate(
            map_unordered(pool, lambda _: threads.append(threading.current_thread()), range(5), window=3, stop=stop)
        ):
            assert len(threads) == read + 1
    assert set(threads) == {threading.current_thread()}


class Big:
    """A result that can be watched."""


@pytest.mark.parametrize("map_", MAPS)
def test_results_are_not_kept(map_: Map, stop: threading.Event) -> None:
    alive: weakref.WeakSet[Big] = weakref.WeakSet()
    most = 0

    def make(_: int) -> Big:
        alive.add(big := Big())
        return big

    with make_pool(2, "test", stop=stop) as pool:
        for _ in map_(pool, make, range(200), window=4, stop=stop):
            gc.collect(0)
            most = max(most, len(list(alive)))
    assert most <= 4 + 2 + 1  # the window, what the threads have in hand, the one just read


def test_a_thread_that_waits_for_work_keeps_nothing(stop: threading.Event) -> None:
    gone = threading.Event()

    def make() -> Big:
        big = Big()
        weakref.finalize(big, gone.set)
        return big

    with make_pool(2, "test", stop=stop) as pool:
        pool.submit(make).result()
        assert gone.wait(WAIT_SECONDS)


@pytest.mark.parametrize("map_", MAPS)
def test_a_stop_yields_what_is_done_and_leaves_out_the_rest(map_: Map, stop: threading.Event) -> None:
    started = threading.Barrier(3)  # both threads and this one
    release = threading.Event()

    def work(number: int) -> int:
        if number < 2:
            started.wait(WAIT_SECONDS)
            assert release.wait(WAIT_SECONDS)
        if number == 1:
            raise Stopped("cut short")
        return number

    with make_pool(2, "test", stop=stop) as pool:
        outcomes = map_(pool, work, _then_stop(started, stop, release), window=8, stop=stop)
        assert [outcome.item for outcome in outcomes] == [0]


def _then_stop(started: threading.Barrier, stop: threading.Event, release: threading.Event) -> Iterator[int]:
    yield from range(4)
    started.wait(WAIT_SECONDS)
    stop.set()
    release.set()
    yield 4


@pytest.mark.parametrize("map_", MAPS)
def test_after_a_stop_nothing_waits_for_a_call_that_hangs(map_: Map, stop: threading.Event) -> None:
    release = threading.Event()
    running = threading.Event()

    def hang(_: int) -> None:
        running.set()
        release.wait(WAIT_SECONDS)

    def stop_while_running() -> None:
        running.wait(WAIT_SECONDS)
        stop.set()

    begin = time.monotonic()
    try:
        with make_pool(2, "test", stop=stop, grace_seconds=0.1) as pool:
            threading.Thread(target=stop_while_running).start()
            assert list(map_(pool, hang, range(100), window=50, stop=stop, grace_seconds=0.1)) == []
        assert time.monotonic() - begin < 5
    finally:
        release.set()


def test_stopped_without_a_stop_is_an_outcome(stop: threading.Event) -> None:
    def work(_: int) -> None:
        raise Stopped("another stop")

    (outcome,) = map_ordered(SerialExecutor(), work, [1], window=1, stop=stop)
    assert isinstance(outcome.error, Stopped)


@pytest.mark.parametrize("map_", MAPS)
def test_whoever_stops_reading_cancels_the_rest(map_: Map, stop: threading.Event) -> None:
    calls: list[int] = []
    with (
        make_pool(2, "test", stop=stop) as pool,
        closing(map_(pool, calls.append, range(1000), window=4, stop=stop)) as outcomes,
    ):
        next(outcomes)
    assert len(calls) < 20


def test_leaving_a_pool_waits_for_what_was_submitted(stop: threading.Event) -> None:
    release = threading.Event()
    with make_pool(2, "test", stop=stop) as pool:
        futures = [pool.submit(release.wait, WAIT_SECONDS) for _ in range(5)]
        threading.Timer(0.3, release.set).start()
    assert all(future.result() for future in futures)


def test_leaving_a_pool_by_an_exception_cancels_what_has_not_begun(stop: threading.Event) -> None:
    release = threading.Event()
    running = threading.Barrier(3)

    def hang() -> bool:
        running.wait(WAIT_SECONDS)
        return release.wait(WAIT_SECONDS)

    with pytest.raises(ZeroDivisionError), make_pool(2, "test", stop=stop, grace_seconds=0.1) as pool:
        futures = [pool.submit(hang) for _ in range(5)]
        running.wait(WAIT_SECONDS)
        raise ZeroDivisionError
    assert [future.cancelled() for future in futures] == [False, False, True, True, True]
    release.set()


def test_a_pool_is_no_wider_than_it_was_made(stop: threading.Event) -> None:
    names: set[str] = set()
    with make_pool(3, "test", stop=stop) as pool:
        list(pool.map(lambda _: names.add(threading.current_thread().name), range(100)))
    assert names <= {"test-1", "test-2", "test-3"}


def test_a_closed_pool_takes_nothing(stop: threading.Event) -> None:
    with make_pool(2, "test", stop=stop) as pool:
        pool.submit(str)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(str)


def test_the_executor_protocol_is_kept() -> None:
    executor: Executor
    with DaemonExecutor(2, name="test") as executor:
        future = executor.submit(int, "ff", base=16)
        failed = executor.submit(int, "x")
    assert future.result() == 255
    assert isinstance(failed.exception(), ValueError)


def test_a_thread_that_is_idle_takes_the_next_call() -> None:
    with DaemonExecutor(name="test") as executor:
        names = {executor.submit(lambda: threading.current_thread().name).result() for _ in range(20)}
        assert len(names) <= 2  # the first may not be back yet when the second call comes


def test_a_pool_without_a_bound_has_about_as_many_threads_as_there_were_calls_at_a_time() -> None:
    with DaemonExecutor(name="many") as executor:
        for _ in range(500):
            for call in [executor.submit(int) for _ in range(4)]:
                call.result()
        assert len([thread for thread in threading.enumerate() if thread.name.startswith("many-")]) <= 40


def test_a_pool_without_threads_is_refused(stop: threading.Event) -> None:
    with pytest.raises(ValueError, match="at least one"), make_pool(0, "test", stop=stop):
        pass


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    code = """
import threading
from importer.parallel import make_pool
stop = threading.Event()
running = threading.Event()
def hang():
    running.set()
    threading.Event().wait()
with make_pool(2, "test", stop=stop, grace_seconds=0.1) as pool:
    pool.submit(hang)
    running.wait()
    stop.set()
print("left")
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_SECONDS, check=True
    )
    assert (result.stdout, result.stderr) == ("left\n", "")
