"""stats-service as a whole: from its settings to a socket, an outbox and the processes that share them."""

import errno
import logging
import resource
import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from importer.errors import ExitCode, ImporterError, OutboxError, one_line
from importer.events import archive
from importer.events.config import Settings, log_warnings, read_settings, sinks_of, users_of
from importer.events.keeper import keep
from importer.events.limits import Limits
from importer.events.meters import share_between_processes
from importer.events.server import BACKLOG
from importer.events.supervisor import Ready, Role, Supervisor
from importer.events.worker import serve
from importer.outbox import Lane, Outbox
from importer.service import Notifier
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

BIND_SECONDS = 2.0
"""How long a port may still be taken: the processes of a service that was killed let it go when they notice."""
_BIND_INTERVAL_SECONDS = 0.05
_METERS = "stats-service.meters"


class AddressError(ImporterError):
    """The address to serve on cannot be had."""

    def __init__(self, settings: Settings, error: OSError) -> None:
        reason = one_line(error.strerror or error)
        super().__init__(f"{settings.path}: host {settings.host}, port {settings.port}: {reason}")


def run_service(settings: Settings, *, limits: Limits = Limits()) -> ExitCode:  # noqa: B008 - frozen
    """Serve until SIGTERM or SIGINT. Raises ImporterError."""
    _raise_file_limit()
    with _listen(settings) as listener:
        share_between_processes(_empty_directory(settings.state_dir / _METERS))
        roles = _roles(settings, listener, limits)

        def reload() -> Sequence[Role]:
            fresh = read_settings(settings.path)
            log_warnings(fresh)
            for name in ("host", "port", "state_dir"):
                if getattr(fresh, name) != getattr(settings, name):
                    logger.warning("%s is another one now: that takes a restart", name)
            return _roles(fresh, listener, limits, checked=True)

        with Supervisor(roles, reload=reload, listener=listener, notifier=Notifier()) as supervisor:
            return supervisor.run()


def _roles(settings: Settings, listener: socket.socket, limits: Limits, *, checked: bool = False) -> list[Role]:
    """Return the processes that a configuration asks for, once the outbox is ready for them.

    It is not looked through for damage if it was `checked` before: others are at work with it.
    """
    sinks, users = sinks_of(settings), users_of(settings)
    lanes = [Lane(sink.lane, sink.family, settings.outbox_max_bytes) for sink in sinks]
    with Outbox(settings.outbox_path, checked=checked) as outbox:
        if outbox.damage:
            logger.error("%s: %s", outbox.path, outbox.damage)
        outbox.configure(lanes)
        archive.create(outbox)

    def work(ready: Ready) -> int:
        return serve(settings, users, lanes, listener, ready=ready, limits=limits)

    return [Role("keeper", partial(_keep, settings, sinks, listener)), *[Role("worker", work)] * settings.workers]


def _keep(settings: Settings, sinks: Sequence[Sink], listener: socket.socket, ready: Ready) -> int:
    listener.close()
    return keep(settings, sinks, ready=ready)


def _listen(settings: Settings) -> socket.socket:
    """Return the socket to serve on. Raises AddressError."""
    gives_up_at = time.monotonic() + BIND_SECONDS
    while True:
        try:
            return _bind(settings.host, settings.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > gives_up_at:
                raise AddressError(settings, error) from error
        time.sleep(_BIND_INTERVAL_SECONDS)  # who has the port gives no sign when it lets go


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def _empty_directory(path: Path) -> Path:
    """Return a directory without files. Raises OutboxError."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        for file in path.iterdir():
            file.unlink()
    except OSError as error:
        raise OutboxError(path, error.strerror or str(error)) from error
    return path


def _raise_file_limit() -> None:
    """Let connections be limited by what the administrator allows, not by what shells begin with."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
