"""One process that answers requests; several may share a listening socket and an outbox."""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import uvloop

from importer.errors import ExitCode
from importer.events.app import App
from importer.events.archive_view import ArchiveView
from importer.events.authorization import Authorizer
from importer.events.config import Settings, store_of
from importer.events.intake import Intake
from importer.events.limits import ServiceLimits
from importer.events.meters import Meters
from importer.events.users import Users
from importer.events.vitals import Vitals
from importer.http_server.server import Server
from importer.outbox import Lane, Outbox

SWITCH_SECONDS = 0.0005
"""How long the thread that commits waits for the one that answers, each time it comes back from the disk."""


def serve(
    settings: Settings,
    users: Callable[[], Users],
    lanes: Sequence[Lane],
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    limits: ServiceLimits,
) -> ExitCode:
    """Answer requests until SIGTERM; `ready` is called when the first one can come. Raises ImporterError."""
    sys.setswitchinterval(SWITCH_SECONDS)
    meters = Meters()
    path = settings.outbox_path
    with Outbox(path, checked=True, busy_seconds=limits.outbox_seconds) as outbox:
        outbox.configure(lanes)
        intake = Intake(outbox, [lane.name for lane in lanes], committed=meters.committed)
        app = App(
            intake=intake,
            view=ArchiveView(path),
            lists=ArchiveView(path),
            store=store_of(settings),
            authorizer=Authorizer(users),
            vitals=Vitals(outbox, {lane.name: lane.max_bytes for lane in lanes}),
            meters=meters,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app, replace(limits, body_bytes=settings.max_body_bytes), listener, ready))
            runner.run(intake.close())
        app.close()
    return ExitCode.OK


async def _serve(app: App, limits: ServiceLimits, listener: socket.socket, ready: Callable[[], None]) -> None:
    await Server(app, limits).run(listener, ready=ready)
