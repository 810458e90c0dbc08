"""Clients of stats-service that post again until they are answered, and what has to be in the store for it.

Events have ids of their own, and points times of their own: whoever repeats them means the same one. Some points have
no time: of these there may be one for each try.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.events.service.service_site import TOKEN, request_bytes

ANSWER_SECONDS = 60.0
"""How long a client waits for an answer before it asks again."""
BLOCK = 20
EVENTS_A_BLOCK = 15
"""Of so many numbers these are events, each posted alone; the others are points, posted together."""
BASE_SECONDS = 1_795_300_000
BASE_NS = BASE_SECONDS * 10**9
_PAUSE_SECONDS = 0.1
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def is_event(number: int) -> bool:
    return number % BLOCK < EVENTS_A_BLOCK


def is_untimed(number: int) -> bool:
    """Return whether a number is that of a point without a time."""
    return number % BLOCK == BLOCK - 1


def event_id(number: int) -> str:
    return f"load-{number:08d}"


def own_second(number: int) -> int | None:
    """Return the second that an event says to be of, which it shares with others; None for most."""
    return BASE_SECONDS + number // 1000 if number % 10 == 1 else None


def point_time(number: int) -> int:
    """Return the nanoseconds that a point with a time has to itself."""
    return BASE_NS + number


@dataclass(frozen=True, slots=True)
class _Post:
    numbers: range
    """Of the events or points in it."""
    request: bytes
    answer: bytes


class Load:
    """So many events from several connections at once. As a context manager the clients are at work in the block."""

    def __init__(self, events: int, *, port: int, connections: int = 16) -> None:
        self.events = events - events % BLOCK
        self.answered = 0
        """Events in posts that were answered with 200."""
        self.repeats = 0
        """Posts that were not answered, and so sent again."""
        self.failures: list[str] = []
        """Answers that are neither good nor a request to come again."""
        self.serving = threading.Event()
        """Set while somebody listens; a client whose connection broke waits for it."""
        self._tries = bytearray(self.events)
        self._port = port
        self._posts = _posts(self.events)
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"client {n}") for n in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.serving.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answered: int, *, seconds: float = 2 * ANSWER_SECONDS) -> None:
        """Wait until so many events were answered, or one as it should not be."""
        with self._changed:
            self._changed.wait_for(lambda: self.answered >= min(answered, self.events) or self.failures, seconds)
            assert not self.failures, self.failures[:3]
            assert self.answered >= min(answered, self.events), f"{self.answered} of {answered} events were answered"

    def tries(self, number: int) -> int:
        """Return how often an event was sent."""
        return self._tries[number]

    def _work(self) -> None:
        connection: _Connection | None = None
        while (post := self._next_post()) is not None:
            connection = self._deliver(post, connection)
        if connection is not None:
            connection.close()

    def _next_post(self) -> _Post | None:
        with self._changed:
            return None if self._ended.is_set() else next(self._posts, None)

    def _deliver(self, post: _Post, connection: "_Connection | None") -> "_Connection | None":
        """Send until it is answered; return the connection that is left."""
        while not self._ended.is_set():
            try:
                connection = connection or self._connect()
                status, body = self._ask(connection, post)
            except OSError:
                if connection is not None:
                    connection.close()
                connection = None
                continue
            if status == 503:
                self._ended.wait(_PAUSE_SECONDS)  # it asks us to come again later
                continue
            self._settle(post, status, body)
            return connection
        return connection

    def _connect(self) -> "_Connection":
        self.serving.wait()
        return _Connection(self._port)

    def _ask(self, connection: "_Connection", post: _Post) -> tuple[int, bytes]:
        first = post.numbers.start
        with self._changed:
            self.repeats += self._tries[first] > 0
            for number in post.numbers:
                self._tries[number] = min(255, self._tries[number] + 1)
        return connection.ask(post.request)

    def _settle(self, post: _Post, status: int, body: bytes) -> None:
        with self._changed:
            if (status, body) == (200, post.answer):
                self.answered += len(post.numbers)
            else:
                self.failures.append(f"{status} {body!r} for {post.numbers}")
                self._ended.set()
            self._changed.notify_all()


class _Connection:
    """A connection that stays; raises OSError when the answer does not come whole."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        head, _, body = self._read_to(lambda data: b"\r\n\r\n" in data, b"").partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        return int(head[9:12]), self._read_to(lambda data: len(data) >= length, body)

    def close(self) -> None:
        with suppress(OSError):  # it is broken, most often
            self._socket.close()

    def _read_to(self, is_enough: Callable[[bytes], bool], data: bytes) -> bytes:
        while not is_enough(data):
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("closed before the answer was whole")
            data += received
        return data


def _posts(events: int) -> Iterator[_Post]:
    for start in range(0, events, BLOCK):
        for number in range(start, start + EVENTS_A_BLOCK):
            yield _post(range(number, number + 1), _event(number), json.dumps(event_id(number)))
        points = range(start + EVENTS_A_BLOCK, start + BLOCK)
        yield _post(points, [_point(number) for number in points], '"OK"')


def _post(numbers: range, content: object, answer: str) -> _Post:
    body = json.dumps(content).encode()
    request = request_bytes("POST", "/log/event/", f"Content-Length: {len(body)}", body=body, token=TOKEN)
    return _Post(numbers, request, answer.encode())


def _event(number: int) -> dict[str, object]:
    event: dict[str, object] = {
        "event": f"load.{number % 5}",
        "uid": f"user-{number % 50}",
        "event_id": event_id(number),
        "number": number,
    }
    if number % 3 == 0:
        event["now"] = number
    if (second := own_second(number)) is not None:
        event["time"] = second
    return event


def _point(number: int) -> dict[str, object]:
    point: dict[str, object] = {
        "measurement": "loose" if is_untimed(number) else "votes",
        "tags": {"uid": f"user-{number % 50}"},
        "fields": {"number": number},
    }
    if not is_untimed(number):
        point["time"] = point_time(number)
    return point
