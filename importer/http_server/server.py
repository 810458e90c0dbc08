"""The connections of one process, or of one port, from the first one accepted to the last one answered."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from email.utils import formatdate

from importer.http_server.connection import Application, Connection
from importer.http_server.limits import Limits

BACKLOG = 2048
GRACE_SECONDS = 4.0
"""How long what has begun may take once the process is asked to stop; then it is cut off."""
TICK_SECONDS = 1.0
"""How often connections are looked at for lateness."""
_EXCUSE_SECONDS = 0.2
"""How long those that are cut off may take to be told so."""


class Connections:
    """Looks after the connections whose requests one application answers: the host of them."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self.date = _date_line()
        self._connections: set[Connection] = set()
        self._is_ending = False
        self._changed = asyncio.Event()
        """Set whenever a connection has ended."""

    def enter(self, connection: Connection) -> None:
        """Look after a connection, or hang up where there are too many."""
        self._connections.add(connection)
        if len(self._connections) > self.limits.connections:
            connection.cut_off()
        elif self._is_ending:
            connection.shutdown()

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self._changed.set()

    def tick(self) -> None:
        """Do what is to be done once a second."""
        self.date = _date_line()
        now = time.monotonic()
        for connection in list(self._connections):
            connection.end_if_late(now)

    async def end(self, *, grace_seconds: float) -> None:
        """Answer what has begun, and end all connections: those that take longer get an excuse, and are cut off."""
        self._is_ending = True
        for connection in list(self._connections):
            connection.shutdown()
        await self._wait_for_the_last(grace_seconds)
        for connection in list(self._connections):
            connection.abandon()
        await self._wait_for_the_last(_EXCUSE_SECONDS)
        for connection in list(self._connections):
            connection.cut_off()

    async def _wait_for_the_last(self, seconds: float) -> None:
        """Return once there is no connection any more, or the time is over."""
        deadline = time.monotonic() + seconds
        while self._connections and time.monotonic() < deadline:
            self._changed.clear()
            await _wait(self._changed, deadline - time.monotonic())


class Server(Connections):
    """Answers requests by an application until SIGTERM."""

    async def run(self, listener: socket.socket, *, ready: Callable[[], None]) -> None:
        """Serve on a socket, which is closed in the end; `ready` is called when the first request can come."""
        loop = asyncio.get_running_loop()
        is_stopping = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, is_stopping.set)
        accepting = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        ready()
        while not await _wait(is_stopping, TICK_SECONDS):
            self.tick()
        accepting.close()
        await self.end(grace_seconds=GRACE_SECONDS)


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _date_line() -> bytes:
    return f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")
