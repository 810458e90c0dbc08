"""The stores that the INI file of the stats service names, by its keys that begin with `influxdb.` or `kafka.`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.events.influxdb.server import APIS, V1, V2, InfluxdbServer
from importer.http_request import base_url
from importer.sinks.influxdb_target import Bucket, Database, Login, Token, UnusableKey

if TYPE_CHECKING:
    from importer.events.kafka.subscription import Subscription

INFLUXDB = "influxdb."
KAFKA = "kafka."

_KAFKA_KEYS = ("brokers", "topic", "group")
_KEYS = {"database": "db", "username": "user"}
"""What the INI file has always called what other configurations call by another name."""
_UNREADABLE = Secret("")
"""What stands for the secret of a file that cannot be read, which is told already."""


class _WellKnown(Secret):
    """The password of those who set none: no secret, and a word that logs cannot do without."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)


def read_influxdb(keys: ObjectReader, *, environ: Mapping[str, str] = os.environ) -> InfluxdbServer | None:
    """Return what the keys say of InfluxDB, None where none of them does; adds to `keys.problems` what is wrong."""
    if not _beginning(keys, INFLUXDB):
        return None
    token = keys.secret("influxdb.token", None, environ=environ)
    api = keys.choice("influxdb.api", APIS, V1 if token is None else V2)
    url = _influxdb_url(keys)
    target = _target(keys, api)
    return InfluxdbServer(url, api, target, _credentials(keys, api, token, environ))


def _beginning(keys: ObjectReader, prefix: str) -> list[str]:
    return [key for key in keys.keys_with(prefix) if key.startswith(prefix)]


def _influxdb_url(keys: ObjectReader) -> str:
    host, port = keys.text("influxdb.host", "localhost"), keys.integer("influxdb.port", 8086, minimum=1, maximum=65535)
    url = keys.text("influxdb.url", None)
    from_host = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        return base_url(from_host if url is None else url)
    except ValueError as error:
        keys.problem("influxdb.host" if url is None else "influxdb.url", str(error))
        return "http://localhost"


def _target(keys: ObjectReader, api: str) -> Database | Bucket:
    """Return where events are written to; a bucket may also be named by influxdb.db, as the old file names it."""
    database, bucket, org = (keys.text(f"influxdb.{key}", None) for key in ("db", "bucket", "org"))
    try:
        if api == V1:
            if bucket is not None:
                keys.problem("influxdb.bucket", "goes with influxdb.token, or with influxdb.api = v2 or v3")
            return Database(database or "testdb")
        if bucket is None and database is None:
            keys.problem("influxdb.bucket", f"is missing; influxdb.api = {api} wants to know it")
            return Bucket("-")
        return Bucket(bucket or database or "-", org)
    except UnusableKey as error:
        _tell(keys, error)
        return Database("-")


def _credentials(
    keys: ObjectReader, api: str, token: Secret | None, environ: Mapping[str, str]
) -> Login | Token | None:
    """Return the token, or else the login: of 1.x it has defaults, and an empty user means that there is none."""
    password = keys.secret("influxdb.password", None, environ=environ)
    if password is None:
        password = Secret("") if keys.value("influxdb.password") == "" else _WellKnown("pass")
    has_login = api == V1 or keys.text("influxdb.user", None) is not None
    username = keys.text("influxdb.user", "user", allow_empty=True)
    try:
        if token is not None:
            return None if token == _UNREADABLE else Token(token)
        return Login(username, password) if has_login and username else None
    except UnusableKey as error:
        _tell(keys, error)
        return None


def _tell(keys: ObjectReader, error: UnusableKey) -> None:
    keys.problem(f"influxdb.{_KEYS.get(error.key, error.key)}", error.reason)


def read_kafka(keys: ObjectReader) -> "Subscription | None":
    """Return what the keys say of Kafka, None where none of them does; adds to `keys.problems` what is wrong.

    Besides kafka.brokers, kafka.topic and kafka.group each `kafka.SETTING` with a dot in it is one of librdkafka's.
    """
    given = _beginning(keys, KAFKA)
    if not given:
        return None
    from importer.events.kafka.subscription import Subscription  # on use: most read no Kafka

    already = len(keys.problems)
    names = [name for key in given if "." in (name := key.removeprefix(KAFKA)) or name in _KAFKA_KEYS]
    content = {name: keys.value(f"{KAFKA}{name}") for name in names}
    inner = ObjectReader(keys.file, content, where=f"{keys.where}{KAFKA}", problems=keys.problems, accept_text=True)
    subscription = Subscription.from_keys(inner)
    if len(keys.problems) == already:
        _try_topic(inner, subscription)
    return subscription


def _try_topic(inner: ObjectReader, subscription: "Subscription") -> None:
    from importer.sinks.kafka import KafkaSink  # on use, as above

    try:
        KafkaSink(brokers=subscription.brokers, topic=subscription.topic, require_library=False)
    except ValueError as error:
        inner.problem("topic", str(error).removeprefix("topic "))
