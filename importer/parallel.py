"""Many requests at a time: one bounded pool, and two ways to map over it that keep memory flat.

    with make_pool(16, "livestats", stop=stop) as pool:
        for outcome in map_unordered(pool, ask, apps, window=32, stop=stop):
            ...

The maps need nothing of a pool but the `concurrent.futures.Executor` interface, so that the executor of a
Dask cluster does as well.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from importer.errors import ImporterError, Stopped

STOP_CHECK_SECONDS = 0.2
"""The longest that a wait for results takes to notice that the process is asked to stop."""

GRACE_SECONDS = 1.0
"""How long what is running may go on once the process is asked to stop."""

Item = TypeVar("Item")
Value = TypeVar("Value")
Parameters = ParamSpec("Parameters")

_Work = tuple[Future[Any], Callable[[], Any]]
"""A call and where its result goes."""
_Pending = dict[Future[Value], Item]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Value]):
    """What came of one item: a value, or an error of ours."""

    item: Item
    value: Value | None
    error: ImporterError | None

    def result(self) -> Value:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # without an error it is what the function returned


class SerialExecutor(Executor):
    """Runs each call at once, in the thread that submits it."""

    def submit(
        self, fn: Callable[Parameters, Value], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Value]:
        """Return a future that is done."""
        future: Future[Value] = Future()
        _run(future, lambda: fn(*args, **kwargs))
        return future


class DaemonExecutor(Executor):
    """A pool of threads that never keeps the process alive.

    The threads of concurrent.futures are joined when the interpreter exits, even after
    `shutdown(wait=False)`: one request that hangs (a name server that does not answer cannot be
    interrupted) would hold a service that was told to stop. These are daemon threads, left behind by an
    exit; what they have in hand is lost, which is safe: it counts only once the main thread has it.
    """

    def __init__(self, width: int = sys.maxsize, *, name: str) -> None:
        """`width` is the most threads there may be: they are made when a call finds none that is idle."""
        self._width = width
        self._name = name
        self._idle = threading.Semaphore(0)
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(
        self, fn: Callable[Parameters, Value], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Value]:
        """Return a future; raises RuntimeError after a shutdown."""
        future: Future[Value] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"pool {self._name} is closed")
            self._work.put((future, lambda: fn(*args, **kwargs)))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._width:
                self._start_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; finish those taken unless `cancel_futures`, and `wait` until they are."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in self._threads:
                self._work.put(None)
        if wait:
            self.join()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the threads to end, after a shutdown; return whether all have."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_thread(self) -> None:
        name = f"{self._name}-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            _run(*work)
            del work  # a thread that waits must not keep the last result alive
            # Whoever submits the next call takes this back, and starts no thread for it. So it is given where calls
            # wait, too: each of these has taken back another thread's, or got a new thread, which will have no call.
            self._idle.release()

    def _cancel_waiting(self) -> None:
        with suppress(Empty):
            while (work := self._work.get_nowait()) is not None:
                work[0].cancel()


def _run(future: Future[Value], call: Callable[[], Value]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001 - handed over: future.result() raises it
        future.set_exception(error)
    else:
        future.set_result(value)


@contextmanager
def make_pool(
    width: int | None, name: str, *, stop: threading.Event, grace_seconds: float = GRACE_SECONDS
) -> Iterator[Executor]:
    """Give an Executor of that many threads, of one for each call under way if width is None.

    If width is 1, it runs calls in the caller's thread.

    Leaving waits for the calls that were submitted. Once `stop` is set, or after an exception, those that have
    not begun are cancelled and those that run are waited for no longer than `grace_seconds`.
    Raises ValueError for a width below 1.
    """
    if width is not None and width < 1:
        raise ValueError(f"a pool needs at least one thread, not {width}")
    if width == 1:
        yield SerialExecutor()
        return
    pool = DaemonExecutor(name=name) if width is None else DaemonExecutor(width, name=name)
    in_order = False
    try:
        yield pool
        in_order = True
    finally:
        pool.shutdown(wait=False, cancel_futures=not in_order)
        while in_order and not stop.is_set() and not pool.join(STOP_CHECK_SECONDS):
            pass  # join() has waited
        pool.shutdown(wait=False, cancel_futures=True)
        pool.join(grace_seconds)


def map_unordered(
    executor: Executor,
    function: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    window: int,
    stop: threading.Event,
    grace_seconds: float = GRACE_SECONDS,
) -> Iterator[Outcome[Item, Value]]:
    """Yield the outcome of function for each item, as they come; at most `window` are under way or not yet read.

    An ImporterError is an outcome; any other exception is a bug and is raised here. Once `stop` is set nothing
    more is submitted, what has not begun is cancelled, what is running gets `grace_seconds`; what was cut short
    by Stopped is left out, for it was not done.
    """
    return _map(executor, function, iter(items), _any_done, window=window, stop=stop, grace_seconds=grace_seconds)


def map_ordered(
    executor: Executor,
    function: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    window: int,
    stop: threading.Event,
    grace_seconds: float = GRACE_SECONDS,
) -> Iterator[Outcome[Item, Value]]:
    """Yield the outcome of function for each item, in the items' order; else as `map_unordered`."""
    return _map(executor, function, iter(items), _oldest_done, window=window, stop=stop, grace_seconds=grace_seconds)


def _map(
    executor: Executor,
    function: Callable[[Item], Value],
    items: Iterator[Item],
    next_done: Callable[[_Pending[Value, Item], float], Future[Value] | None],
    *,
    window: int,
    stop: threading.Event,
    grace_seconds: float,
) -> Iterator[Outcome[Item, Value]]:
    pending: _Pending[Value, Item] = {}
    more = True
    try:
        while not stop.is_set():
            if more and len(pending) < window:
                more = _submit_next(executor, function, items, pending)
            if not pending:
                return
            has_room = more and len(pending) < window
            done = next_done(pending, 0.0 if has_room else STOP_CHECK_SECONDS)
            if done is not None:
                yield from _outcomes(pending.pop(done), done, stop)
        yield from _last_outcomes(pending, stop, grace_seconds)
    finally:
        for future in pending:
            future.cancel()


def _submit_next(
    executor: Executor,
    function: Callable[[Item], Value],
    items: Iterator[Item],
    pending: _Pending[Value, Item],
) -> bool:
    """Submit one item; return whether there was one."""
    for item in items:
        pending[executor.submit(function, item)] = item
        return True
    return False


def _any_done(pending: _Pending[Value, Item], timeout_seconds: float) -> Future[Value] | None:
    wait(pending, timeout_seconds, FIRST_COMPLETED)
    return next((future for future in pending if future.done()), None)


def _oldest_done(pending: _Pending[Value, Item], timeout_seconds: float) -> Future[Value] | None:
    oldest = next(iter(pending))
    wait([oldest], timeout_seconds)
    return oldest if oldest.done() else None


def _last_outcomes(
    pending: _Pending[Value, Item], stop: threading.Event, grace_seconds: float
) -> Iterator[Outcome[Item, Value]]:
    """Yield what is done, or is done soon enough, after the process was asked to stop."""
    for future in pending:
        future.cancel()
    wait(pending, grace_seconds)
    for future in [future for future in pending if future.done()]:
        yield from _outcomes(pending.pop(future), future, stop)


def _outcomes(item: Item, future: Future[Value], stop: threading.Event) -> Iterator[Outcome[Item, Value]]:
    """Yield the outcome of a future that is done; none if it was cancelled or cut short by the stop."""
    if future.cancelled():
        return
    error = future.exception()
    if error is None:
        yield Outcome(item, future.result(), None)
    elif not isinstance(error, ImporterError):
        raise error
    elif not (isinstance(error, Stopped) and stop.is_set()):
        yield Outcome(item, None, error)
