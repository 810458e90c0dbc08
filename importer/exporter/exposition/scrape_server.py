"""Hands pages out on many ports: one thread with one event loop for all of them.

What takes time, rendering and hashes of passwords, is done in threads of its own, so no port waits for another.
"""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from importer.errors import ImporterError
from importer.exporter.exposition.exhibition import Exhibition
from importer.exporter.exposition.page import Page
from importer.exporter.exposition.web_config import WebConfig
from importer.http_server.connection import Connection
from importer.http_server.limits import Limits
from importer.http_server.server import BACKLOG, TICK_SECONDS, Connections

GRACE_SECONDS = 1.5
"""How long scrapes under way may take when a port is closed."""
HANDSHAKE_SECONDS = 10.0
MAX_CONNECTIONS = 200
"""Of one port: who opens more does not use up the files that polls need."""
LIMITS = Limits(body_bytes=0, keep_alive_seconds=330, connections=MAX_CONNECTIONS)
"""Prometheus keeps its connections for five minutes."""

_CALL_SECONDS = 10.0
"""How long the loop, which does nothing that takes time, may take for what it is asked to do."""
_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}

T = TypeVar("T")


class PortUnavailable(ImporterError):
    """A port cannot be opened."""

    def __init__(self, address: str | None, port: int, reason: str) -> None:
        self.address = address
        self.port = port
        self.reason = reason
        where = f"port {port} of {address or 'all addresses'}"
        super().__init__(f"{where}: {reason}; end what has it, or name another port")


class ScrapeServer:
    """Serves pages until it is closed; begins with the first of them."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._bindings: set[Binding] = set()

    def serve(self, page: Page, address: str | None, port: int, web: WebConfig | None = None) -> "Binding":
        """Show a page on a port of an address, None for all of IPv4 and IPv6. Raises PortUnavailable."""
        listener = _listener(address, port)
        binding = Binding(self, listener)
        self.call(binding.begin(page, web or WebConfig()))
        self._bindings.add(binding)
        return binding

    def close(self) -> None:
        """Close all ports, and let the scrapes under way end, for GRACE_SECONDS at the most."""
        if self._loop is None or self._thread is None:
            return
        self.call(_ended(self._bindings))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._bindings.clear()
        self._loop = self._thread = None

    def forget(self, binding: "Binding") -> None:
        """Look no more after a port that is closed."""
        self._bindings.discard(binding)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop()).result(_CALL_SECONDS)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = uvloop.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="scrapes", daemon=True)
            self._thread.start()
        return self._loop


class Binding:
    """One open port."""

    def __init__(self, server: ScrapeServer, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self._exhibition: Exhibition
        self._opening: _Opening
        self.port: int = listener.getsockname()[1]

    def change(self, page: Page, web: WebConfig | None) -> None:
        """Show another page, or in another way, from the next request on. Connections of before end if TLS changes."""
        self._server.call(self._change(page, web or WebConfig()))

    def close(self) -> None:
        """Free the port; scrapes under way end behind our back."""
        self._server.call(self._close())
        self._server.forget(self)

    async def begin(self, page: Page, web: WebConfig) -> None:
        """Accept connections."""
        self._exhibition = Exhibition(page, web)
        self._opening = await _Opening.on(self._listener, self._exhibition, web)

    async def end(self) -> None:
        """Free the port, and return when there is no connection any more."""
        self._opening.stop()
        self._listener.close()
        await self._opening.end()

    async def _close(self) -> None:
        self._opening.stop()
        self._listener.close()
        self._opening.end_later()

    async def _change(self, page: Page, web: WebConfig) -> None:
        self._exhibition.change(page, web)
        former = self._opening
        if web.tls != former.web.tls:
            self._opening = await _Opening.on(self._listener, self._exhibition, web)
            former.stop()
            former.end_later()


class _Opening(Connections):
    """A port as it is open with one certificate, or none, and the connections that came by it."""

    def __init__(self, exhibition: Exhibition, web: WebConfig) -> None:
        super().__init__(exhibition, LIMITS)
        self.web = web
        self._accepting: asyncio.AbstractServer
        self._ticking = asyncio.get_running_loop().create_task(self._tick_on())
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def on(cls, listener: socket.socket, exhibition: Exhibition, web: WebConfig) -> "_Opening":
        """Return an opening that accepts connections."""
        opening = cls(exhibition, web)
        opening._accepting = await asyncio.get_running_loop().create_server(
            lambda: Connection(opening),
            sock=listener.dup(),
            backlog=BACKLOG,
            ssl=None if web.tls is None else web.tls.context,
            ssl_handshake_timeout=None if web.tls is None else HANDSHAKE_SECONDS,
        )
        return opening

    def stop(self) -> None:
        """Accept no more."""
        self._accepting.close()

    async def end(self, *, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the connections."""
        await super().end(grace_seconds=grace_seconds)
        self._ticking.cancel()

    def end_later(self) -> None:
        """End the connections while others go on."""
        self._ending = asyncio.get_running_loop().create_task(self.end())

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()


async def _ended(bindings: set[Binding]) -> None:
    await asyncio.gather(*(binding.end() for binding in bindings))


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


def _listener(address: str | None, port: int) -> socket.socket:
    """Return a socket that listens. Raises PortUnavailable."""
    try:
        return _bound(address, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortUnavailable(address, port, reason[:1].lower() + reason[1:]) from error


def _bound(address: str | None, port: int) -> socket.socket:
    if address is not None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - what None stands for
