"""The dashboard on a port: one process, one event loop, a few threads that read."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import uvloop

from importer.dashboard.access import Guard
from importer.dashboard.api import Api
from importer.dashboard.app import MAX_READING, App
from importer.dashboard.catalogue import Catalogue
from importer.dashboard.snapshot import Snapshot, Snapshots
from importer.errors import ImporterError
from importer.http_server.limits import Limits
from importer.http_server.server import BACKLOG, Server
from importer.service import Notifier

MAX_CONNECTIONS = 200
"""Who opens more is cut off: a browser opens six."""
LIMITS = Limits(head_bytes=16 * 1024, body_bytes=0, request_seconds=30.0, connections=MAX_CONNECTIONS)


class AddressUnavailable(ImporterError):
    """The dashboard cannot be served at an address."""

    def __init__(self, address: str, port: int, reason: str) -> None:
        self.address = address
        self.port = port
        self.reason = reason
        super().__init__(
            f"port {port} of {address}: {reason}; end what has it, or choose another with --port or --bind"
        )


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens at an address, `::` for IPv4 too. Raises AddressUnavailable."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    is_everywhere = address == "::" and socket.has_dualstack_ipv6()
    try:
        socket.getaddrinfo(address, port, family)  # create_server says less clearly what is wrong with a name
        return socket.create_server((address, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_everywhere)
    except socket.gaierror as error:
        raise AddressUnavailable(address, port, _small(error.strerror or str(error))) from error
    except OSError as error:
        raise AddressUnavailable(address, port, _small(os.strerror(error.errno or 0))) from error
    except UnicodeError as error:  # no name of a host has such a part
        raise AddressUnavailable(address, port, _small(str(error))) from error


def _small(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


class _DashboardServer(Server):
    """Serves one App, and lets who waits for news go when it ends."""

    def __init__(self, app: App, notifier: Notifier) -> None:
        super().__init__(app, LIMITS)
        self._app = app
        self._notifier = notifier

    def tick(self) -> None:
        """Do what is to be done once a second, and tell systemd that it was."""
        super().tick()
        self._notifier.beat()

    async def end(self, *, grace_seconds: float) -> None:
        """Answer what has begun, and end."""
        self._notifier.stopping()
        self._app.stop()
        await super().end(grace_seconds=grace_seconds)


def serve(
    listener: socket.socket,
    *,
    look: Callable[[], Snapshot],
    catalogue: Catalogue,
    guard: Guard,
    ready: Callable[[], None],
    notifier: Notifier,
) -> None:
    """Answer requests until SIGTERM or SIGINT; `ready` is called when the first one can come."""
    with ThreadPoolExecutor(MAX_READING + 1, thread_name_prefix="reader") as executor:

        async def run() -> None:
            app = App(Api(catalogue), Snapshots(look, executor, clock=time.monotonic), guard, executor)
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, partial(os.kill, os.getpid(), signal.SIGTERM))
            await _DashboardServer(app, notifier).run(listener, ready=ready)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
