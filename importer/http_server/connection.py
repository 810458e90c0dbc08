"""One connection: its requests are handed to an application one by one, and answered in their order.

Ours, where uvicorn has one on the same parser: with that one an accepted event costs two fifths more of the worker's
time (docs/performance.md), and it has no limits for headers, for slow clients and for what proxies may understand
differently.

What is no HTTP is refused in its turn: what came before it on the same connection is answered first, so that no answer
is taken for that of another request.
"""

import asyncio
import logging
import socket
import struct
import time
from collections import deque
from http import HTTPStatus
from typing import Protocol, cast

from importer.http_server.limits import Limits
from importer.http_server.message import ENDING, Answer, HttpError, Request
from importer.http_server.request_parser import RequestParser

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.5
"""How long a connection without a request stays when the server ends: one that a client is sending is answered."""

_MAX_QUEUED = 16
"""Requests that may wait on a connection for the one before them; then no more is read."""
_NO_LINGER = struct.pack("ii", 1, 0)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_NOTHING = Answer(400, b"")
"""What is never sent, as the connection has ended."""


class Application(Protocol):
    """Whoever answers requests."""

    async def answer(self, request: Request) -> Answer:
        """Return the answer, whatever comes of the request."""

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer to a request whose head alone is there, if that is enough to refuse it."""

    def failure(self, error: HttpError) -> Answer:
        """Return the answer to what is no request, or does not arrive."""


class Host(Protocol):
    """The server that a connection is one of."""

    application: Application
    limits: Limits
    date: bytes
    """The header of this second, a line with its end."""

    def enter(self, connection: "Connection") -> None:
        """Look after a connection."""

    def leave(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""


class Connection(asyncio.Protocol):
    """What the event loop tells of one connection, and what becomes of it."""

    _transport: asyncio.Transport

    def __init__(self, host: Host) -> None:
        self._host = host
        self._requests = RequestParser(host.limits, arrived=self._take, begun=self._begin)
        self._queue: deque[Request] = deque()
        """What is there, whole, behind the request that is being answered."""
        self._answering: asyncio.Task[None] | None = None
        self._refusal: Answer | None = None
        """What the end of this connection is answered with, after all that came before."""
        self._idle_since: float | None = None
        self._stuck_since: float | None = None
        """Since when the client does not take what it was answered."""
        self._is_paused = False
        """Whether nothing is read for the time being."""
        self._is_last = False
        """Whether no request may come after those that have begun."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._host.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what nobody waits for any more; what is being kept of it is kept."""
        self._end()
        self._host.leave(self)

    def eof_received(self) -> bool:
        """Answer what a client asked that sends no more. True: stay connected until then."""
        self._is_last = True
        if not self._requests.is_between and self._refusal is None:
            self._refuse(HttpError(400, "the request ends early"))
        return self._is_busy()

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refusal is not None:
            return
        self._idle_since = None
        try:
            self._requests.feed(data)
        except HttpError as error:
            self._refuse(error)
            return
        self._is_last = self._is_last or self._requests.is_at_end
        if not self._is_busy():
            self._requests.wait()  # line ends before a request are no request yet

    def pause_writing(self) -> None:
        """Note that the client does not take its answers."""
        self._stuck_since = time.monotonic()

    def resume_writing(self) -> None:
        """Go on, as it does."""
        self._stuck_since = None
        self._answer_next()

    def shutdown(self) -> None:
        """Answer what has begun, and what begins within a moment, and then close."""
        self._is_last = True
        if not self._is_busy():
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_if_at_rest)

    def end_if_late(self, now: float) -> None:
        """Give up what has been on its way for too long, in either direction; `now` is of time.monotonic."""
        limits = self._host.limits
        if self._transport.is_closing() and self._stuck_since is None:
            self._stuck_since = now  # what was written last has to leave, too
        if _is_before(self._stuck_since, now - limits.request_seconds):
            self.cut_off()
        elif _is_before(self._requests.waits_since, now - limits.request_seconds) and self._refusal is None:
            self._refuse(limits.too_late())
        elif _is_before(self._idle_since, now - limits.keep_alive_seconds):
            self._transport.close()

    def abandon(self) -> None:
        """Answer what is not answered yet with an excuse."""
        if self._answering is not None:
            self._answering.cancel()
        if self._refusal is None and not self._requests.is_between:
            self._refuse(ENDING)

    def cut_off(self) -> None:
        """Close the connection, and let the system drop what it would still send."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _take(self, request: Request) -> None:
        self._queue.append(request)
        self._answer_next()

    def _begin(self, request: Request) -> None:
        """Look at the head of a request before its body takes any room."""
        request.refusal = self._host.application.refusal(request)
        if not request.waits_to_be_asked:
            return
        if request.refusal is None:
            self._transport.write(_CONTINUE)
        else:  # whether the body still comes nobody can know, and so not where the next request begins
            self._refuse_with(request.refusal)

    def _answer_next(self) -> None:
        if self._answering is None and self._queue and self._stuck_since is None:
            request = self._queue.popleft()
            self._answering = asyncio.get_running_loop().create_task(self._answer(request))
        if self._is_paused != (len(self._queue) > _MAX_QUEUED) and not self._transport.is_closing():
            self._is_paused = not self._is_paused
            change = self._transport.pause_reading if self._is_paused else self._transport.resume_reading
            change()

    async def _answer(self, request: Request) -> None:
        answer = await self._host.application.answer(request)
        self._answering = None
        if self._transport.is_closing():
            return
        is_end = not request.keeps_alive or (self._is_last and self._is_at_rest())
        self._send(answer, has_body=request.method != "HEAD", is_end=is_end)
        if is_end:
            self._end()
        elif self._queue:
            self._answer_next()
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        elif self._requests.waits_since is None:
            self._idle_since = time.monotonic()

    def _send(self, answer: Answer, *, has_body: bool = True, is_end: bool) -> None:
        lines = [_STATUS_LINES[answer.status], self._host.date]
        lines += [b"%b: %b\r\n" % header for header in answer.headers]
        lines.append(b"content-length: %d\r\n" % len(answer.body))
        lines.append(b"connection: close\r\n\r\n" if is_end else b"\r\n")
        if has_body:
            lines.append(answer.body)
        self._transport.write(b"".join(lines))
        if is_end:
            self._transport.close()

    def _is_busy(self) -> bool:
        return self._answering is not None or bool(self._queue)

    def _is_at_rest(self) -> bool:
        """Return whether nothing is to be answered, and nothing is on its way."""
        return not self._is_busy() and self._requests.is_between and self._refusal is None

    def _close_if_at_rest(self) -> None:
        if self._is_at_rest():
            self._transport.close()

    def _end(self) -> None:
        """Take no notice of what else has come or comes."""
        self._queue.clear()
        self._refusal = _NOTHING

    def _refuse(self, refusal: HttpError) -> None:
        logger.info("refused: status=%d: %s", refusal.status, refusal.message)
        self._refuse_with(self._host.application.failure(refusal))

    def _refuse_with(self, refusal: Answer) -> None:
        """Refuse what comes from here on, once what came before is answered."""
        self._refusal = refusal
        if not self._is_busy():
            self._send_refusal(refusal)

    def _send_refusal(self, refusal: Answer) -> None:
        if not self._transport.is_closing():
            self._send(refusal, is_end=True)


def _is_before(moment: float | None, earliest: float) -> bool:
    return moment is not None and moment < earliest
