"""What the INI file and the environment tell the stats service: checked, with every mistake told, a line each."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from importer.config import ObjectReader
from importer.errors import ConfigError, Problem
from importer.events.influxdb.server import InfluxdbServer
from importer.events.settings.directory import PROJECT, read_state_directory
from importer.events.settings.ini_file import APP, SERVER, IniFile, expanded, load_ini_file
from importer.events.settings.log_setup import configure_logging
from importer.events.settings.stores import INFLUXDB, KAFKA, read_influxdb, read_kafka
from importer.events.tags import TagRule
from importer.events.tokens.users import SECRET_VARIABLE, TOKEN_VARIABLE, Users, follow_users
from importer.outbox import MAX_LANE_BYTES
from importer.paths import DirectoryFinder, Surroundings, service_places

if TYPE_CHECKING:
    from importer.events.kafka.subscription import Subscription
    from importer.events.query import EventStore
    from importer.sinks.base import Sink

__all__ = [
    "Settings",
    "configure_logging",
    "influxdb_sink_of",
    "log_warnings",
    "read_settings",
    "sinks_of",
    "store_of",
    "users_of",
]

logger = logging.getLogger(__name__)

DEFAULT_TABLE = "analytics"
TABLE_VARIABLE = "TABLE_NAME"
IDENTITIES = "stats_service.access.identities"
TAGS = "stats_service.tags"

_SHORTEST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 86_400
_OURS = ("stats_service.", INFLUXDB, KAFKA)
"""How the keys begin that nobody but us reads."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the service has to know."""

    path: Path
    """The INI file."""
    host: str
    """The address to listen at."""
    port: int
    """0: a free one."""
    workers: int
    """Processes that answer requests."""
    max_body_bytes: int
    flush_seconds: float
    """Between two deliveries."""
    retry_max_seconds: float
    """The longest pause before a delivery is tried again."""
    state_dir: Path
    """Where the outbox lies."""
    retention_days: int
    """How long events stay that have no store but this one; 0: for ever."""
    outbox_max_bytes: int
    """How much may wait for a store."""
    tags: TagRule
    """Which keys of events become tags."""
    table: str
    """The measurement of 1.0 events."""
    influxdb: InfluxdbServer | None
    kafka: "Subscription | None"
    """Events are delivered to it alone, where it is there."""
    identities: Path | None
    """access.json; None where the environment holds the one token."""
    log_config: bool
    """Whether the file says how to log."""
    warnings: tuple[str, ...]
    """What should be logged once."""

    @property
    def outbox_path(self) -> Path:
        """The file with the outbox and the events."""
        return self.state_dir / f"{PROJECT}.outbox"


def read_settings(
    path: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    finder: DirectoryFinder | None = None,
    make_directories: bool = True,
) -> Settings:
    """Return what the file and the environment say.

    Directories that they name are made where they are missing. Raises ConfigError with every mistake; access.json
    is not looked into.
    """
    ini = load_ini_file(path)
    if APP not in ini.sections:
        raise ConfigError(Problem(path, "is missing: the file needs this section", key=f"[{APP}]"))
    problems: list[Problem] = []
    app, server = ini.reader(APP, problems), ini.reader(SERVER, problems)
    finder = finder or stats_service_finder(environ)
    tags = _tags(app)
    settings = Settings(
        path=path,
        host=_host(server),
        port=server.integer("port", 20080, minimum=0, maximum=65535),
        workers=app.integer("stats_service.workers", 1, minimum=1, maximum=64),
        max_body_bytes=app.integer("stats_service.max_body_bytes", 2**20, minimum=1),
        flush_seconds=_seconds(app, "stats_service.flush_interval", 1),
        retry_max_seconds=_seconds(app, "stats_service.retry_max", 60),
        state_dir=read_state_directory(app, ini, finder, environ=environ, make=make_directories),
        retention_days=app.integer("stats_service.retention_days", 0, minimum=0, maximum=100_000),
        outbox_max_bytes=app.integer("stats_service.outbox_max_bytes", MAX_LANE_BYTES, minimum=1),
        tags=tags,
        table=_table(environ, problems),
        influxdb=read_influxdb(app, environ=environ),
        kafka=read_kafka(app),
        identities=_identities(app, ini, environ),
        log_config=ini.configures_logging,
        warnings=(*finder.warnings, *map(str, [*_about_tags(app, tags), *_unread(app)])),
    )
    if problems:
        raise ConfigError(problems)
    return settings


def stats_service_finder(environ: Mapping[str, str] = os.environ) -> DirectoryFinder:
    """Return the look-up of the service's directories."""
    return DirectoryFinder(PROJECT, service_places(), surroundings=Surroundings(environ=environ))


def log_warnings(settings: Settings) -> None:
    """Log what a person should know about the settings."""
    for warning in settings.warnings:
        logger.warning("%s", warning)


def users_of(settings: Settings, *, environ: Mapping[str, str] = os.environ) -> Callable[[], Users]:
    """Return a function that gives the users of now; raises ConfigError where access.json is of no use."""
    return follow_users(settings.identities or settings.path, environ=environ)


def sinks_of(settings: Settings) -> "list[Sink]":
    """Return the stores that events are delivered to: Kafka alone, or else InfluxDB, or none."""
    if settings.kafka is None:
        return [] if settings.influxdb is None else [influxdb_sink_of(settings)]
    from importer.events.kafka.sink import EventKafkaSink  # on use: nobody pays for another store's client
    from importer.sinks.kafka import KafkaSink

    kafka = settings.kafka
    sink = EventKafkaSink(KafkaSink(brokers=kafka.brokers, topic=kafka.topic, settings=kafka.settings))
    sink.outbox_max_bytes = settings.outbox_max_bytes
    return [sink]


def influxdb_sink_of(settings: Settings) -> "Sink":
    """Return the InfluxDB that events are written to; raises ConfigError where the file names none."""
    from importer.events.influxdb.sink import EventInfluxdbSink  # on use, as above

    if settings.influxdb is None:
        raise ConfigError(Problem(settings.path, f"names no InfluxDB: [{APP}] needs keys such as influxdb.host"))
    sink = EventInfluxdbSink(settings.influxdb, table=settings.table, tags=settings.tags)
    sink.outbox_max_bytes = settings.outbox_max_bytes
    return sink


def store_of(settings: Settings) -> "EventStore | None":
    """Return where events can be found that are not kept here any more; None where they are always kept."""
    if settings.influxdb is None:
        return None
    from importer.events.influxdb.query import InfluxdbQuery  # on use, as above

    return InfluxdbQuery(settings.influxdb, table=settings.table)


def _host(server: ObjectReader) -> str:
    host = server.text("host", "0.0.0.0")  # noqa: S104 - as the service always did; it asks for a token
    if not host.isprintable() or " " in host:
        server.problem("host", "is not an address to listen at; write it like 127.0.0.1")
    return host


def _seconds(app: ObjectReader, key: str, default: float) -> float:
    return app.number(key, default, minimum=_SHORTEST_PAUSE_SECONDS, maximum=_LONGEST_PAUSE_SECONDS)


def _tags(app: ObjectReader) -> TagRule:
    try:
        return TagRule.parse(app.text(TAGS, None))
    except ValueError as error:
        app.problem(TAGS, str(error))
        return TagRule()


def _about_tags(app: ObjectReader, tags: TagRule) -> Iterator[Problem]:
    for warning in tags.warnings:
        yield Problem(app.file, warning, key=f"{app.where}{TAGS}")


def _table(environ: Mapping[str, str], problems: list[Problem]) -> str:
    table = environ.get(TABLE_VARIABLE) or DEFAULT_TABLE
    if not table.isprintable() or table.endswith("\\"):
        problems.append(Problem(TABLE_VARIABLE, "holds control characters, or ends in a backslash"))
    return table


def _identities(app: ObjectReader, ini: IniFile, environ: Mapping[str, str]) -> Path | None:
    """Return the path of access.json: from the file's directory or, where it is not there, the working directory."""
    if environ.get(TOKEN_VARIABLE) and environ.get(SECRET_VARIABLE):
        app.value(IDENTITIES)
        return None
    text = app.text(IDENTITIES, None)
    if text is None:
        app.problem(IDENTITIES, f"is missing; name access.json, or set {TOKEN_VARIABLE} and {SECRET_VARIABLE}")
        return None
    beside, here = ini.resolved(text), expanded(text)
    return here.absolute() if os.path.lexists(here) and not os.path.lexists(beside) else beside


def _unread(app: ObjectReader) -> Iterator[Problem]:
    """Yield what the file says to us in words that we do not know: a slip, most likely."""
    for problem in app.unknown("is not known, and counts for nothing"):
        if problem.key.removeprefix(app.where).startswith(_OURS):
            yield problem
