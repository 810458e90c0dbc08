"""Deferred events reach the service in their order, whatever it or the program does, and hold nobody up."""

import json
import logging
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from importer.events.client import queue as client_queue
from importer.events.client.analytics import Analytics
from importer.events.client.ending import Ending
from importer.events.client.queue import PostingQueue, QueueLimits, end_all
from importer.events.client.session import Reply, Retry, StatsSession, Timeouts
from importer.simulators.base import Answer, Hold, Request, never, reset
from importer.simulators.stats_service import TOKEN, StatsServiceSimulator
from tests.apteligent import unused_port
from tests.commands import ROOT, isolated_environment
from tests.servers.process import die_with_parent

WAIT_SECONDS = 30.0
QUICK = QueueLimits(first_pause_seconds=0.01, longest_pause_seconds=0.05)
STORED = Reply("entry_x")


class Poster:
    """Posts into a list, and answers as `replies` says, which is used up from the left; then it stores."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = deque(replies)
        self.posted: list[bytes] = []
        self.threads: list[threading.Thread] = []
        self.within_seconds: list[float | None] = []
        self.begun = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, body: bytes, *, within_seconds: float | None) -> Reply:
        self.begun.release()
        assert self.may_go_on.wait(WAIT_SECONDS)
        self.posted.append(body)
        self.threads.append(threading.current_thread())
        self.within_seconds.append(within_seconds)
        reply = self.replies.popleft() if self.replies else STORED
        if isinstance(reply, Exception):
            raise reply
        return reply


class Threads:
    """Starts threads and remembers them; or none, as at the end of a program, once `fails` is set."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.started: list[threading.Thread] = []

    def __call__(self, target: Callable[[], None]) -> None:
        if self.fails:
            raise RuntimeError("can't start new thread at interpreter shutdown")
        thread = threading.Thread(target=target, daemon=True)
        self.started.append(thread)
        thread.start()


@pytest.fixture(autouse=True)
def _no_end() -> Iterator[None]:
    """Let the process of the tests go on after what is its end to the client."""
    yield
    client_queue.ENDING.forget()


@pytest.fixture
def service() -> Iterator[StatsServiceSimulator]:
    with StatsServiceSimulator() as simulator:
        yield simulator


@pytest.fixture
def logged_lines() -> Iterator[SimpleQueue[str]]:
    """What the queue logs, as soon as it does."""
    lines: SimpleQueue[str] = SimpleQueue()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.put(record.getMessage())

    handler = Handler()
    client_queue.logger.addHandler(handler)
    yield lines
    client_queue.logger.removeHandler(handler)


def queue_to(service: StatsServiceSimulator, limits: QueueLimits = QUICK) -> PostingQueue:
    """Return a queue whose posts go to the service, over the client's own session."""
    session = StatsSession(Timeouts())
    url = f"{service.url}/log/event/"
    auth = Analytics({"access_token": TOKEN}).get_auth()

    def post(body: bytes, *, within_seconds: float | None) -> Reply:
        return session.post(url, body, headers=Analytics.JSON_CT, auth=auth, within_seconds=within_seconds)

    return PostingQueue(post, limits=limits)


def event(number: int) -> bytes:
    return json.dumps({"event": "count", "uid": "", "number": number}).encode()


def numbers(service: StatsServiceSimulator) -> list[object]:
    """Return the numbers of the events that the service has taken."""
    return [taken["number"] for taken in service.events.values()]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


# The order, and the thread


def test_events_are_posted_in_their_order_by_another_thread() -> None:
    poster = Poster()
    queue = PostingQueue(poster)
    for number in range(100):
        queue.add(b"%d" % number)
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"%d" % number for number in range(100)]
    assert {thread is threading.current_thread() for thread in poster.threads} == {False}
    assert len(set(poster.threads)) == 1
    assert poster.threads[0].daemon
    assert set(poster.within_seconds) == {None}


def test_add_does_not_wait_for_the_service() -> None:
    poster = Poster()
    poster.may_go_on.clear()
    queue = PostingQueue(poster)
    for _ in range(10):
        queue.add(b"x")
    assert len(queue) == 10
    poster.may_go_on.set()
    assert queue.flush(WAIT_SECONDS) == 0


def test_events_of_many_threads_are_each_posted_once(service: StatsServiceSimulator) -> None:
    queue = queue_to(service)

    def add(begin: int) -> None:
        for number in range(begin, begin + 50):
            queue.add(event(number))

    threads = [threading.Thread(target=add, args=(begin,)) for begin in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.flush(WAIT_SECONDS) == 0
    taken = [int(str(number)) for number in numbers(service)]
    assert sorted(taken) == list(range(400))
    assert all(part == sorted(part) for begin in range(0, 400, 50) if (part := _part(taken, begin)))
    assert len({request.connection for request in service.requests}) == 1


def _part(taken: list[int], begin: int) -> list[int]:
    return [number for number in taken if begin <= number < begin + 50]


def test_an_idle_thread_ends_and_the_next_event_has_a_new_one() -> None:
    poster, threads = Poster(), Threads()
    queue = PostingQueue(poster, limits=QueueLimits(idle_seconds=0.01), start_thread=threads)
    queue.add(b"first")
    threads.started[0].join(WAIT_SECONDS)
    assert not threads.started[0].is_alive()
    queue.add(b"second")
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"first", b"second"]
    assert len(threads.started) == 2


def test_where_no_thread_can_be_started_the_end_posts_what_waits() -> None:
    poster, threads = Poster(), Threads(fails=True)
    queue = PostingQueue(poster, start_thread=threads)
    queue.add(b"first")
    queue.add(b"second")
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"first", b"second"]
    assert set(poster.threads) == {threading.current_thread()}


def test_where_no_thread_can_be_started_the_end_is_held_up_no_longer_than_it_may() -> None:
    busy = Reply(reason="status 503", retry=Retry.ALWAYS, retry_after_seconds=600.0)
    poster = Poster(*[busy] * 1000)
    queue = PostingQueue(poster, start_thread=Threads(fails=True))
    queue.add(b"x")
    assert queue.flush(0.5) == 1
    (within_seconds,) = poster.within_seconds
    assert within_seconds is not None
    assert within_seconds <= 0.5


def test_an_attempt_within_some_seconds_shares_them_between_connecting_and_reading() -> None:
    assert Timeouts(5, 30).within(4) == Timeouts(2, 2)
    assert Timeouts(1, 30).within(50) == Timeouts(1, 25)


def test_the_end_of_a_program_waits_for_all_queues_together(caplog: pytest.LogCaptureFixture) -> None:
    busy = Reply(reason="status 503", retry=Retry.ALWAYS, retry_after_seconds=600.0)
    hung, *paused = posters = [Poster(), Poster(busy), Poster(busy), Poster(busy)]
    hung.may_go_on.clear()
    queues = [PostingQueue(poster, limits=QUICK) for poster in posters]
    for queue, poster in zip(queues, posters, strict=True):
        queue.add(b"x")
        assert poster.begun.acquire(timeout=WAIT_SECONDS)
    end_all(1.0)
    assert [len(poster.posted) for poster in paused] == [2, 2, 2]
    assert errors(caplog) == ["events are lost, they were not posted before the program ended count=1"]
    hung.may_go_on.set()
    assert queues[0].flush(WAIT_SECONDS) == 0


def test_no_thread_is_started_once_the_end_has_begun() -> None:
    poster, threads = Poster(), Threads()
    end_all(WAIT_SECONDS)
    queue = PostingQueue(poster, start_thread=threads)
    queue.add(b"first")
    assert poster.posted == [b"first"]
    assert threads.started == []
    assert poster.threads == [threading.current_thread()]


def test_a_post_that_brings_about_an_event_at_the_end_does_not_wait_for_itself() -> None:
    posted: list[bytes] = []

    def post(body: bytes, *, within_seconds: float | None) -> Reply:
        posted.append(body)
        if body == b"first":
            queue.add(b"second")  # as a log handler does
            assert posted == [b"first"]
        return STORED

    queue = PostingQueue(post)
    end_all(WAIT_SECONDS)
    queue.add(b"first")
    assert posted == [b"first", b"second"]


def test_what_is_lost_at_the_end_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    busy = Reply(reason="status 503", retry=Retry.ALWAYS)
    queue = PostingQueue(Poster(*[busy] * 1000), limits=QUICK)
    queue.add(b"x")
    end_all(0.1)
    end_all(0.1)  # children of multiprocessing that also run handlers of atexit
    assert errors(caplog) == ["events are lost, they were not posted before the program ended count=1"]


def test_a_thread_that_could_not_be_started_is_started_by_the_next_event() -> None:
    poster, threads = Poster(), Threads(fails=True)
    queue = PostingQueue(poster, start_thread=threads)
    queue.add(b"first")
    threads.fails = False
    queue.add(b"second")
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"first", b"second"]
    assert set(poster.threads) == set(threads.started)


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_service_that_heals_gets_all_events_in_their_order(service: StatsServiceSimulator, status: int) -> None:
    service.fail(Answer.json({}, status=status), times=3)
    queue = queue_to(service)
    for number in range(5):
        queue.add(event(number))
    service.wait_for(8)
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == list(range(5))


def test_events_wait_for_a_service_that_is_not_there(service: StatsServiceSimulator) -> None:
    queue = queue_to(service)
    queue.add(event(0))
    assert queue.flush(WAIT_SECONDS) == 0
    service.stop()
    for number in (1, 2):
        queue.add(event(number))
    assert queue.flush(0.1) == 2
    service.start()
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == [0, 1, 2]


def test_a_connection_that_breaks_costs_no_event(service: StatsServiceSimulator) -> None:
    service.fail(reset)
    queue = queue_to(service)
    queue.add(event(0))
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == [0]


def test_pauses_grow_up_to_a_limit_and_are_told(caplog: pytest.LogCaptureFixture) -> None:
    later = Reply(reason="status 503", retry=Retry.ALWAYS)
    limits = QueueLimits(first_pause_seconds=0.1, longest_pause_seconds=0.3)
    poster = Poster(later, later, later, later)
    queue = PostingQueue(poster, limits=limits, chance=lambda: 1.0)
    queue.add(b"x")
    for _ in range(5):
        assert poster.begun.acquire(timeout=WAIT_SECONDS)
    assert queue.flush(WAIT_SECONDS) == 0
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split(" seconds=")[1] for line in told] == [
        f"{seconds} reason=status 503" for seconds in (0.1, 0.2, 0.3, 0.3)
    ]


def test_the_pause_that_a_service_asks_for_is_kept_and_cut_short_by_flush(
    service: StatsServiceSimulator, logged_lines: SimpleQueue[str]
) -> None:
    service.fail(Answer.json({}, status=503, headers={"Retry-After": "600"}))
    queue = queue_to(service)
    queue.add(event(0))
    assert "seconds=600.0" in logged_lines.get(timeout=WAIT_SECONDS)
    assert numbers(service) == []
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == [0]


# Giving up


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_an_event_that_is_refused_is_told_and_does_not_hold_up_others(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    service.fail(Answer.json({"message": "no, thanks"}, status=status))
    queue = queue_to(service)
    queue.add(event(0))
    queue.add(event(1))
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == [1]
    (line,) = errors(caplog)
    assert f"status {status}" in line
    assert len(service.requests) == 2


def test_an_event_that_always_meets_a_fault_is_given_up(
    service: StatsServiceSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    def is_poison(request: Request) -> bool:
        return request.body == event(0)

    rule = service.fail(Answer.json({}, status=500), times=None, when=is_poison)
    queue = queue_to(service, QueueLimits(first_pause_seconds=0.01, max_faults=3))
    queue.add(event(0))
    queue.add(event(1))
    assert queue.flush(WAIT_SECONDS) == 0
    assert numbers(service) == [1]
    assert rule.hits == 3
    assert len(errors(caplog)) == 1


def test_each_event_has_its_own_number_of_tries(caplog: pytest.LogCaptureFixture) -> None:
    fault = Reply(reason="status 500", retry=Retry.SOMETIMES)
    limits = QueueLimits(first_pause_seconds=0.01, max_faults=3)
    queue = PostingQueue(Poster(fault, fault, STORED, fault, fault, STORED), limits=limits)
    queue.add(b"first")
    queue.add(b"second")
    assert queue.flush(WAIT_SECONDS) == 0
    assert errors(caplog) == []


def test_a_fault_of_our_own_costs_one_event_and_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    poster = Poster(ZeroDivisionError("by zero"))
    queue = PostingQueue(poster)
    queue.add(b"first")
    queue.add(b"second")
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"first", b"second"]
    assert "ZeroDivisionError: by zero" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "limits", [QueueLimits(max_events=4), QueueLimits(max_bytes=4 * 3 + 2)], ids=["events", "bytes"]
)
def test_a_full_queue_takes_no_more_and_tells_how_much_was_lost(
    caplog: pytest.LogCaptureFixture, limits: QueueLimits
) -> None:
    poster = Poster()
    poster.may_go_on.clear()
    queue = PostingQueue(poster, limits=limits)
    for number in range(9):
        queue.add(b"%03d" % number)
    assert errors(caplog) == ["queue is full, events are lost until there is room waiting=4"]
    poster.may_go_on.set()
    assert queue.flush(WAIT_SECONDS) == 0
    queue.add(b"009")
    assert queue.flush(WAIT_SECONDS) == 0
    assert poster.posted == [b"000", b"001", b"002", b"003", b"009"]
    assert errors(caplog)[1:] == ["queue has room again, events were lost count=5"]


# The end of a program, and forks: programs of their own

PROGRAM = """
import atexit, os, sys
url, token = sys.argv[1], "{token}"

def event(number):
    return {{"event": "count", "uid": "", "number": number}}

{body}
"""


@contextmanager
def started(service: StatsServiceSimulator, home: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of that body, which can use `url`, `token` and `event`; it is killed after the block."""
    with subprocess.Popen(
        die_with_parent([sys.executable, "-c", PROGRAM.format(token=TOKEN, body=body), service.url]),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**isolated_environment(home), "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str], *, stdin: str = "") -> str:
    """Wait for the end of a program, which has to be a good one, and return what it said on standard error."""
    _, stderr = process.communicate(stdin, timeout=2 * WAIT_SECONDS)
    assert process.returncode == 0
    return stderr


def run(service: StatsServiceSimulator, home: Path, body: str) -> str:
    """Run a program to its end, and return what it said on standard error."""
    with started(service, home, body) as process:
        return finish(process)


CLIENT = """
from importer.events.client.analytics import Analytics
client = Analytics.init({"url": url, "access_token": token})
"""


def test_a_program_that_ends_right_after_log_loses_nothing(service: StatsServiceSimulator, tmp_path: Path) -> None:
    body = f"{CLIENT}\nfor number in range(200): client.log(event(number))"
    assert run(service, tmp_path, body) == ""
    assert numbers(service) == list(range(200))


def test_a_program_that_ends_by_an_error_loses_nothing(service: StatsServiceSimulator, tmp_path: Path) -> None:
    with started(service, tmp_path, f"{CLIENT}\nclient.log(event(1))\nraise SystemExit(3)") as process:
        _, stderr = process.communicate(timeout=2 * WAIT_SECONDS)
    assert (process.returncode, stderr) == (3, "")
    assert numbers(service) == [1]


def test_what_other_handlers_log_at_the_end_is_posted(service: StatsServiceSimulator, tmp_path: Path) -> None:
    body = f"""
atexit.register(lambda: client.log(event(2)))
{CLIENT}
atexit.register(lambda: client.log(event(1)))
"""
    assert run(service, tmp_path, body) == ""
    assert numbers(service) == [1, 2]


def test_a_short_outage_at_the_end_is_waited_for(service: StatsServiceSimulator, tmp_path: Path) -> None:
    service.fail(Answer.json({}, status=503), times=2)
    stderr = run(service, tmp_path, f"{CLIENT}\nclient.log(event(1))")
    assert numbers(service) == [1]
    assert "lost" not in stderr


@pytest.mark.slow
def test_services_that_hang_or_are_gone_do_not_keep_a_program_from_ending(
    service: StatsServiceSimulator, tmp_path: Path
) -> None:
    """The clients would wait 30 seconds for an answer, and try for ever."""
    service.fail(never, times=None)
    body = f"""
{CLIENT}
gone = Analytics({{"url": "http://127.0.0.1:{unused_port()}", "access_token": token}})
for number in range(3):
    client.log(event(number))
    gone.log(event(number))
"""
    stderr = run(service, tmp_path, body)
    lost = re.findall(r"events are lost, they were not posted before the program ended count=(\d+)", stderr)
    assert lost == ["3", "3"]
    assert len(service.requests) == 1


def test_a_forked_process_posts_its_own_events_and_no_others(service: StatsServiceSimulator, tmp_path: Path) -> None:
    hold = Hold()
    service.fail(hold, times=None)
    body = f"""
{CLIENT}
client.log(event(0))
client.log(event(1))
sys.stdin.readline()
child = os.fork()
client.log(event(2 if child else 3))
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    with started(service, tmp_path, body) as process:
        service.wait_for(1)  # one event is in the thread's hands and one waits: the worst time to fork
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        service.wait_for(lambda request: b'"number": 3' in request.body)
        hold.release()
        assert finish(process) == ""
    assert sorted(map(str, numbers(service))) == ["0", "1", "2", "3"]
    assert len({request.connection for request in service.requests}) == 2


def test_a_forked_process_uses_no_connection_of_its_parent(service: StatsServiceSimulator, tmp_path: Path) -> None:
    body = f"""
{CLIENT}
client.defer = False
client.log(event(0))
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
client.log(event(2 if child else 1))
"""
    assert run(service, tmp_path, body) == ""
    assert numbers(service) == [0, 1, 2]
    first, second, third = (request.connection for request in service.requests)
    assert first == third != second


LATE = """
import gc
class Late:
    def __del__(self):
        client.log(event(9))
late = Late()
"""
GARBAGE = f"""
{LATE}
gc.disable()
atexit.register(gc.enable)
late.itself = late
del late
"""
"""What is collected when threads are gone, but modules are there."""


@pytest.mark.parametrize("before", ["", "client.log(event(1))"])
def test_a_program_ends_that_logs_while_modules_go(service: StatsServiceSimulator, tmp_path: Path, before: str) -> None:
    """A thread that is started then never runs, and whoever starts it waits for it; nothing can be imported."""
    lines = run(service, tmp_path, f"{CLIENT}{LATE}{before}").splitlines()
    assert [line.partition(" reason=")[0] for line in lines] == ["event is lost, it was not stored"]
    assert "taken down" in lines[0]


@pytest.mark.parametrize("before", ["", "client.log(event(1))"])
def test_what_is_logged_when_threads_are_gone_is_posted(
    service: StatsServiceSimulator, tmp_path: Path, before: str
) -> None:
    assert run(service, tmp_path, f"{CLIENT}{GARBAGE}{before}") == ""
    assert numbers(service) == ([1, 9] if before else [9])


@pytest.mark.slow
def test_a_service_that_hangs_holds_up_the_very_end_no_longer_than_the_end(
    service: StatsServiceSimulator, tmp_path: Path
) -> None:
    service.fail(never, times=None)
    said = run(service, tmp_path, f"{CLIENT}{GARBAGE}")
    assert "events are lost, they were not posted before the program ended count=1" in said


WORKERS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from importer.events.client.analytics import Analytics
client = Analytics({{"url": {url!r}, "access_token": {token!r}}})

def work(number):
    client.log({{"event": "count", "uid": "", "number": number}})

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[2] == "process":
        processes = [context.Process(target=work, args=(number,)) for number in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    else:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(work, range(3)))
"""


@pytest.mark.parametrize("kind", ["process", "pool"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_lose_nothing(
    service: StatsServiceSimulator, tmp_path: Path, method: str, kind: str
) -> None:
    """Most of them end without a word to atexit."""
    program = tmp_path / "workers.py"
    program.write_text(WORKERS.format(url=service.url, token=TOKEN))
    with subprocess.Popen(
        die_with_parent([sys.executable, str(program), method, kind]),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**isolated_environment(tmp_path), "PYTHONPATH": str(ROOT), "TMPDIR": tempfile.gettempdir()},
    ) as process:
        assert finish(process) == ""
    assert sorted(map(str, numbers(service))) == ["0", "1", "2"]


def test_no_thread_logs_once_the_program_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """One that is stopped while it writes to standard error takes the whole program down (3.11: SIGABRT)."""
    ending = Ending()

    def told_by_a_thread(text: str) -> bool:
        thread = threading.Thread(target=ending.tell, args=[lambda: logging.getLogger("importer").error(text)])
        thread.start()
        thread.join()
        return text in caplog.text

    assert told_by_a_thread("before the end")
    ending.conclude()
    assert not told_by_a_thread("after the end")
    ending.tell(lambda: logging.getLogger("importer").error("by the main thread"))
    assert "by the main thread" in caplog.text
