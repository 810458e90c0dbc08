"""Every way in which an HTTP simulator can fail, and the rules that say which requests meet which.

A fault is an `Answer` or a function of the `Exchange`; a test may well write its own.
"""

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, repeat

from importer.simulators.http_connection import Exchange, Fault
from importer.simulators.http_wire import Answer, Predicate, Request, head_of

HTML_PAGE = Answer(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><body>Maintenance</body></html>")
"""Wrong kind of answer: what a captive portal or a proxy says with status 200."""
BROKEN_JSON = Answer(200, {"Content-Type": "application/json"}, b'{"data": [1, 2')
"""JSON that ends too early although all bytes arrived."""


def deep_json(depth: int = 10**6) -> Answer:
    """Return an answer of that many brackets, which exhausts a recursive parser."""
    return Answer(200, {"Content-Type": "application/json"}, b"[" * depth + b"]" * depth)


def reset(exchange: Exchange) -> None:
    """Fault: break the connection without an answer."""
    exchange.reset()


def never(_exchange: Exchange) -> None:
    """Fault: do not answer until the simulator stops or the client gives up."""


def delay(seconds: float) -> Fault:
    """Return a fault that answers properly, but that much later."""
    return lambda exchange: exchange.later(seconds, exchange.proceed)


def cut_off(*, after_bytes: int = 1, with_reset: bool = False) -> Fault:
    """Return a fault that promises the whole body, sends its first bytes and closes (or resets)."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.write(head_of(answer, max(len(answer.body), after_bytes + 1)) + answer.body[:after_bytes])
        if with_reset:
            exchange.reset()
        else:
            exchange.close()

    return fault


def huge_body(size_bytes: int, *, chunked: bool = False) -> Fault:
    """Return a fault that streams a body of blanks, with its length declared or, chunked, without."""
    piece = b" " * 65536
    pieces, rest = divmod(size_bytes, len(piece))
    headers = {"Content-Type": "application/json"}

    def fault(exchange: Exchange) -> None:
        body = chain(repeat(piece, pieces), [piece[:rest]] if rest else [])
        if chunked:
            frames = (b"%x\r\n%b\r\n" % (len(part), part) for part in body)
            head = head_of(Answer(headers={**headers, "Transfer-Encoding": "chunked"}), None)
            exchange.stream(chain([head], frames, [b"0\r\n\r\n"]))
        else:
            exchange.stream(chain([head_of(Answer(headers=headers), size_bytes)], body))

    return fault


def drip(*, interval_seconds: float = 0.05) -> Fault:
    """Return a fault that sends the proper answer, head and all, a byte each interval."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.answer()
        whole = head_of(answer, len(answer.body)) + answer.body
        exchange.stream((bytes((byte,)) for byte in whole), interval_seconds=interval_seconds)

    return fault


class Hold:
    """Fault: keep requests waiting until `release()`, which any thread may call; they are then answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._released = False
        self._waiting: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        """Keep or, once released, answer."""
        with self._lock:
            if not self._released:
                self._waiting.append(exchange)
                return
        exchange.proceed()

    def release(self) -> None:
        """Answer what waits and whatever comes after. Call it before the simulator stops."""
        with self._lock:
            self._released = True
            waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            exchange.loop.call_soon_threadsafe(exchange.proceed)


@dataclass(slots=True)
class Rule:
    """Which requests a fault meets, and how often it has."""

    fault: Fault
    when: Predicate
    left: int | None
    """How many more requests; None for all."""
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Return whether the fault is for this request, and count it."""
        if self.left == 0 or not self.when(request):
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True

    @classmethod
    def of(cls, fault: Answer | Fault, *, times: int | None, when: str | Predicate) -> "Rule":
        """Return the rule for an answer or a function, and for a shell pattern for the path or a predicate."""
        return cls(_as_fault(fault), _as_predicate(when), times)


def _as_fault(fault: Answer | Fault) -> Fault:
    if isinstance(fault, Answer):
        return lambda exchange: exchange.send(fault)
    return fault


def _as_predicate(when: str | Predicate) -> Predicate:
    if isinstance(when, str):
        return lambda request: fnmatchcase(request.path, when)
    return when
