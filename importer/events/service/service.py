"""stats-service as a whole: from its settings to a socket, an outbox and the processes that share them."""

import errno
import logging
import resource
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from importer.errors import ExitCode, ImporterError, OutboxError, one_line
from importer.events import archive
from importer.events.service.exclusive import exclusive
from importer.events.service.generation import Plan, Ready, Role
from importer.events.service.keeper import keep
from importer.events.service.limits import ServiceLimits
from importer.events.service.meters import shared_between_processes
from importer.events.service.supervisor import Supervisor
from importer.events.service.worker import serve
from importer.events.settings.directory import PROJECT
from importer.events.settings.ini_file import load_ini_file
from importer.events.settings.settings import (
    Settings,
    configure_logging,
    log_warnings,
    read_settings,
    sinks_of,
    users_of,
)
from importer.http_server.server import BACKLOG
from importer.outbox import Lane, Outbox
from importer.paths import DirectoryFinder, Kind, service_places
from importer.self_metrics.figures import Command
from importer.self_metrics.publisher import SelfMetrics
from importer.service import Notifier
from importer.sinks.base import Sink

logger = logging.getLogger(__name__)

BIND_SECONDS = 2.0
"""How long a port may still be taken: the processes of a service that was killed let it go when they notice."""
_BIND_INTERVAL_SECONDS = 0.05
_FIXED = ("host", "port", "state_dir")
"""What stays as it was at the start."""


class AddressError(ImporterError):
    """The address to serve on cannot be had."""

    def __init__(self, settings: Settings, error: OSError | UnicodeError) -> None:
        reason = one_line((isinstance(error, OSError) and error.strerror) or error)
        super().__init__(f"{settings.path}: host {settings.host}, port {settings.port}: {reason}")


def run_service(settings: Settings, *, limits: ServiceLimits = ServiceLimits()) -> ExitCode:  # noqa: B008 - frozen
    """Serve until SIGTERM or SIGINT. Raises ImporterError."""
    _raise_file_limit()
    with _listen(settings) as listener, exclusive(settings.outbox_path):
        plans = _Plans(settings, listener, limits)
        plan = plans.first()
        plan.prepare()
        with (
            Supervisor(plan, reload=plans.next, listener=listener, notifier=Notifier()) as supervisor,
            shared_between_processes(settings.state_dir),  # in here: a signal that ends a start leaves nothing behind
        ):
            return supervisor.run()


class _Plans:
    """What the configuration asks for, as it is at the start and at each reload."""

    def __init__(self, settings: Settings, listener: socket.socket, limits: ServiceLimits) -> None:
        self._settings = settings
        self._listener = listener
        self._limits = limits
        self._ini = load_ini_file(settings.path)
        """How it is logged now."""

    def first(self) -> Plan:
        """Return the plan by the settings that there are. Raises ConfigError."""
        return self._plan(self._settings)

    def next(self) -> Plan:
        """Return the plan by the configuration of now, and log as it says. Raises ConfigError, and changes nothing."""
        fresh = read_settings(self._settings.path)
        fixed = {name: getattr(self._settings, name) for name in _FIXED}
        plan = self._plan(replace(fresh, **fixed), checked=True)
        self._ini = configure_logging(fresh.path, former=self._ini)
        log_warnings(fresh)
        for name, value in fixed.items():
            if getattr(fresh, name) != value:
                logger.warning("%s is another one now: that takes a restart", name)
        return plan

    def _plan(self, settings: Settings, *, checked: bool = False) -> Plan:
        """Return the processes that settings ask for, and the outbox with them.

        This is not looked through for damage if it was `checked` before: others may be at work with it.
        """
        sinks, users = sinks_of(settings), users_of(settings)
        lanes = [Lane(sink.lane, sink.family, settings.outbox_max_bytes) for sink in sinks]
        listener, limits = self._listener, self._limits

        def work(ready: Ready) -> int:
            return serve(settings, users, lanes, listener, ready=ready, limits=limits)

        told = SelfMetrics(Command(PROJECT, PROJECT), DirectoryFinder(PROJECT, service_places()).existing(Kind.CONFIG))
        keeper = Role("keeper", partial(_keep, settings, sinks, told, listener))
        roles = [keeper, *[Role("worker", work)] * settings.workers]
        shared = {(lane.name, lane.family) for lane in lanes}
        prepare = partial(_prepare, settings.outbox_path, lanes, checked=checked)
        return Plan(roles, prepare, partial(_check, settings.state_dir), shared)


def _prepare(path: Path, lanes: Sequence[Lane], *, checked: bool) -> None:
    """Let the outbox have these lanes and room for events. Raises OutboxError."""
    with Outbox(path, checked=checked) as outbox:
        archive.create(outbox)
        for state in outbox.configure(lanes):
            logger.warning("kept for a store that is gone: lane=%s payloads=%d", state.lane, state.payloads)


def _check(state_dir: Path) -> None:
    """Raise OutboxError where the state directory is gone: the next start may make it, or find another one."""
    if not state_dir.is_dir():
        raise OutboxError(state_dir, "the state directory was removed while it was in use")


def _keep(
    settings: Settings, sinks: Sequence[Sink], self_metrics: SelfMetrics, listener: socket.socket, ready: Ready
) -> int:
    listener.close()
    return keep(settings, sinks, ready=ready, self_metrics=self_metrics)


def _listen(settings: Settings) -> socket.socket:
    """Return the socket to serve on. Raises AddressError."""
    gives_up_at = time.monotonic() + BIND_SECONDS
    while True:
        try:
            return _bind(settings.host, settings.port)
        except UnicodeError as error:  # no name of a host has such a part
            raise AddressError(settings, error) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > gives_up_at:
                raise AddressError(settings, error) from error
        time.sleep(_BIND_INTERVAL_SECONDS)  # who has the port gives no sign when it lets go


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address, family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def _raise_file_limit() -> None:
    """Let connections be limited by what the administrator allows, not by what shells begin with."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
