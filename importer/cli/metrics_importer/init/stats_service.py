"""A first configuration of the stats service: where it listens, where events go, and the first user."""

from collections.abc import Iterator, Mapping, Sequence

from importer.cli.metrics_importer.init.answers import Question
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor, checked
from importer.errors import UsageError

_PROJECT = "stats-service"
_USERS = "access.json"
_COMMENT = " ;"
"""Ends a value; there are no quotes that would keep it."""
_INFLUXDB = {
    "url": "url",
    "database": "db",
    "bucket": "bucket",
    "org": "org",
    "username": "user",
    "password": "password",
    "token": "token",
}
"""What a store's keys are called in the INI file, behind `influxdb.`."""


def _files(given: Given) -> Sequence[PlannedFile]:
    lines = [
        "[app:main]",
        f"stats_service.access.identities = {_USERS}",
        *_store(given.store),
        "",
        "[server:main]",
        f"host = {given.values['host']}",
        f"port = {given.values['port']}",
    ]
    if any(not line.isprintable() or _COMMENT in line for line in lines):
        raise UsageError(f"what is not printable, or has {_COMMENT!r} in it, cannot be written into an INI file")
    there = (given.directory / _USERS).exists()
    users = PlannedFile(_USERS, "", is_kept=True) if there else _first_user(given)
    return [users, checked(_PROJECT, "stats-service.ini", "\n".join(lines) + "\n", state=given.state)]


def _first_user(given: Given) -> PlannedFile:
    from importer.cli.stats_service.access_file import AccessDocument  # on use, as what makes tokens
    from importer.cli.stats_service.token_arguments import new_token_text
    from importer.events.tokens.token import generate_pair

    name = str(given.values["username"])
    pair = generate_pair(name)
    document = AccessDocument(given.directory / _USERS, [])
    document.add(name, pair)
    given.notes.append(new_token_text(pair.token))
    return PlannedFile(_USERS, document.text(), is_secret=True)


def _store(store: Mapping[str, object] | None) -> Iterator[str]:
    """Yield the lines of a store; of the embedded one there are none."""
    if store is None or store["protocol"] == "sqlite":
        return
    keys = {name: value for name, value in store.items() if name != "protocol"}
    yield from _kafka(keys) if store["protocol"] == "kafka" else _influxdb(keys)


def _kafka(keys: Mapping[str, object]) -> Iterator[str]:
    for name, value in keys.items():
        yield f"kafka.{name} = {','.join(map(str, value)) if isinstance(value, list) else value}"


def _influxdb(keys: Mapping[str, object]) -> Iterator[str]:
    for name, value in keys.items():
        key = name.removesuffix("_file")
        if key not in _INFLUXDB:
            raise UsageError(f"{name}: is not a key of stats-service")
        yield f"influxdb.{_INFLUXDB[key]}{'_file' if name != key else ''} = {value}"
    if "bucket" in keys and not {"token", "token_file"} & keys.keys():
        yield "influxdb.api = v2"
    if "database" in keys and "username" not in keys:
        yield "influxdb.user ="


def _try(_values: Content) -> Sequence[str]:
    return ["sudo systemctl enable --now stats-service.service", "sudo metrics-importer status -p stats-service"]


STATS_SERVICE = Vendor(
    "stats-service",
    _PROJECT,
    "events that clients send",
    (
        Question("username", "name of the first user, who gets a token", default="stats"),
        Question("host", "address to listen at", default="0.0.0.0"),  # noqa: S104 - as the service itself
        Question("port", "port", "number", default=20080),
    ),
    _files,
    _try,
    main_file="stats-service.ini",
    default_store=lambda _values: None,
    stores=("sqlite", "influxdb", "kafka"),
)
