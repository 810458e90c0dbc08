"""One process that answers requests; several may share a listening socket and an outbox."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import uvloop

from importer.errors import ExitCode, OutboxError
from importer.events import archive
from importer.events.archive_view import ArchiveView
from importer.events.service.app import App
from importer.events.service.intake import Intake
from importer.events.service.limits import ServiceLimits
from importer.events.service.meters import Meters
from importer.events.service.presence import Presence
from importer.events.service.vitals import Vitals
from importer.events.settings.settings import Settings, store_of
from importer.events.tokens.authorization import Authorizer
from importer.events.tokens.users import Users
from importer.http_server.server import Server
from importer.outbox import Lane, Outbox

logger = logging.getLogger(__name__)

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
        presence = Presence(path, gone=_end)
        archive.create(outbox)
        outbox.configure(lanes)
        vitals = Vitals(outbox, {lane.name: lane.max_bytes for lane in lanes}, check=presence.check)

        def committed(events: int, seconds: float) -> None:
            meters.committed(events, seconds)
            vitals.note_commit()

        intake = Intake(
            outbox,
            [lane.name for lane in lanes],
            check=presence.check,
            committed=committed,
            failed=vitals.note_failure,
        )
        app = App(
            intake=intake,
            view=ArchiveView(path),
            lists=ArchiveView(path),
            store=store_of(settings),
            authorizer=Authorizer(users),
            vitals=vitals,
            meters=meters,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app, replace(limits, body_bytes=settings.max_body_bytes), listener, ready))
            runner.run(intake.close())
        app.close()
    return ExitCode.OK


def _end(error: OutboxError) -> None:
    """Let this process end, so that another one takes its place, which begins with another outbox."""
    logger.error("%s", error)
    os.kill(os.getpid(), signal.SIGTERM)


async def _serve(app: App, limits: ServiceLimits, listener: socket.socket, ready: Callable[[], None]) -> None:
    await Server(app, limits).run(listener, ready=ready)
