"""One process that answers requests; several may share a listening socket and an outbox."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import uvicorn

from importer.errors import ExitCode
from importer.events.app import App
from importer.events.archive_view import ArchiveView
from importer.events.authorization import Authorizer
from importer.events.config import Settings, store_of
from importer.events.intake import Intake
from importer.events.limits import Limits
from importer.events.meters import Meters
from importer.events.protocol import end_late_requests, protocol_factory
from importer.events.users import Users
from importer.events.vitals import Vitals
from importer.outbox import Lane, Outbox

GRACE_SECONDS = 4
"""How long what has begun may take once the process is asked to stop; then it is cut off."""
BACKLOG = 2048
SWITCH_SECONDS = 0.0005
"""How long the thread that commits waits for the one that answers, each time it comes back from the disk."""
_TICKS_A_SECOND = 10


class _Server(uvicorn.Server):
    """A server that tells when it is ready, ends at SIGTERM, and looks after requests that do not arrive."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        await super().startup(sockets)
        self._ready()

    def _end(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would end the process by the one that came, not with 0."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Do what is to be done ten times a second."""
        if counter % _TICKS_A_SECOND == 0:
            end_late_requests(self.server_state)
        return await super().on_tick(counter)


def serve(
    settings: Settings,
    users: Callable[[], Users],
    lanes: Sequence[Lane],
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    limits: Limits,
) -> ExitCode:
    """Answer requests until SIGTERM; `ready` is called when the first one can come. Raises ImporterError."""
    sys.setswitchinterval(SWITCH_SECONDS)
    meters = Meters()
    path = settings.outbox_path
    with Outbox(path, checked=True) as outbox:
        outbox.configure(lanes)
        with outbox.transaction() as transaction:
            transaction.execute(f"PRAGMA busy_timeout = {int(limits.outbox_seconds * 1000)}")
        intake = Intake(outbox, [lane.name for lane in lanes], committed=meters.committed)
        app = App(
            intake=intake,
            view=ArchiveView(path),
            store=store_of(settings),
            authorizer=Authorizer(users),
            vitals=Vitals(outbox, {lane.name: lane.max_bytes for lane in lanes}),
            meters=meters,
            max_body_bytes=settings.max_body_bytes,
        )
        config = uvicorn.Config(
            app,
            http=cast(type[asyncio.Protocol], protocol_factory(limits)),
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=limits.keep_alive_seconds,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_Server(config, ready).serve([listener]))
            runner.run(intake.close())
        app.close()
    return ExitCode.OK
