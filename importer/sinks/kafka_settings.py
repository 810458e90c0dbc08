"""What a configuration says about a Kafka cluster: where its brokers are, and librdkafka's own settings.

https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md lists the settings (seen with version 2.16).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from importer.config import ObjectReader, Unusable
from importer.credentials import Secret, redact

Setting = str | Secret

NOT_INSTALLED = (
    "needs the library confluent-kafka, which is not installed:"
    " pip install 'metrics-importer[kafka]', or apt install python3-confluent-kafka"
)

_QUOTES = "\u201c\u201d\u2018\u2019\"'"
"""The typographic ones come from the README of leexportpy, out of which configurations were copied."""
_BROKER = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_SECRET = re.compile(r"password|passphrase|secret|key\.pem|oauthbearer\.config")

_DEFAULTS = {"client.id": "metrics-importer"}
_FIXED = {"acks": "all", "enable.idempotence": "true"}
_ROOM = {"queue.buffering.max.messages": "10000000", "queue.buffering.max.kbytes": "2147483647"}
"""As good as unlimited: what is queued is what the lanes have in hand, a payload each."""

_REFUSED = {
    **dict.fromkeys(("bootstrap.servers", "metadata.broker.list"), "is not to be set: brokers says it"),
    **dict.fromkeys(
        (
            *_FIXED,
            *_ROOM,
            "default.topic.config",
            "delivery.report.only.error",
            "delivery.timeout.ms",
            "enable.gapless.guarantee",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.send.max.retries",
            "message.timeout.ms",
            "request.required.acks",
            "retries",
            "transactional.id",
        ),
        "is not to be set: with another value messages could get lost or out of order",
    ),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a producer sends to, and how."""

    brokers: str
    """`host:port,host:port`."""
    settings: frozenset[tuple[str, Setting]]
    """librdkafka's, beyond those that are fixed."""
    timeout_seconds: float
    """After which a message that was not confirmed has failed."""


def why_not_installed() -> str:
    """Return what to install for Kafka; empty where it is there."""
    try:
        import_module("confluent_kafka")
    except ImportError:
        return NOT_INSTALLED
    return ""


def parse_brokers(value: object) -> str:
    """Return brokers as `host:port,host:port`, from such a text or a list, without blanks and quotes around them.

    Raises ValueError, in one line, for anything else.

    >>> parse_brokers("“kafka1.example:9092, kafka2.example:9092”")
    'kafka1.example:9092,kafka2.example:9092'
    """
    match value:
        case str():
            return ",".join(map(_parse_broker, value.split(",")))
        case [_, *_] as parts if all(isinstance(part, str) for part in parts):
            return parse_brokers(",".join(map(str, parts)))
    raise ValueError("is not text of the form host:port,host:port")


def _parse_broker(text: str) -> str:
    broker = text.strip(f"{_QUOTES} \t")
    match = _BROKER.fullmatch(broker)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"{broker!r:.80} is not host:port, such as kafka.example.org:9092")
    return broker


def read_brokers(keys: ObjectReader) -> str | None:
    """Return what `brokers` says; None after adding to `keys.problems` what is wrong with it."""
    given = keys.texts("brokers", accept_text=True)
    try:
        return parse_brokers(list(given)) if given else None
    except ValueError as error:
        keys.problem("brokers", str(error))
        return None


def read_settings(keys: ObjectReader) -> dict[str, Setting]:
    """Return librdkafka's settings among the keys, which are those with a dot; adds to `keys.problems` what is wrong.

    Of a secret one, such as sasl.password, KEY_file may stand in its place.
    """
    names = dict.fromkeys(_without_twin(key) for key in keys.keys_with("."))
    settings = {name: setting for name in names if (setting := _read_setting(keys, name)) is not None}
    for name in filter(_REFUSED.get, settings):
        keys.problem(name, _REFUSED[name])
    return settings


def _without_twin(key: str) -> str:
    name = key.removesuffix("_file")
    return name if _SECRET.search(name) else key


def _read_setting(keys: ObjectReader, name: str) -> Setting | None:
    if _SECRET.search(name):
        return keys.secret(name, None)
    match keys.value(name):
        case bool(value):
            return str(value).lower()
        case str() | int() | float() as value:
            return str(value) or None
        case list(values) if all(isinstance(value, str) for value in values):  # an INI value with commas in it
            return ",".join(values)
        case Unusable(reason):
            keys.problem(name, reason)
        case None:
            pass
        case _:
            keys.problem(name, "is neither text, a number nor a truth value")
    return None


def configuration(settings: Mapping[str, Setting], *, timeout_seconds: float) -> dict[str, str]:
    """Return everything that librdkafka is told but for the brokers, secrets included: for its producer alone.

    A message that is not confirmed within timeout_seconds has failed. A topic that is not there may be about to be
    made: half of that time is left to it, so that its absence is told for what it is.
    """
    milliseconds = round(timeout_seconds * 1000)
    given = {name: value.reveal() if isinstance(value, Secret) else value for name, value in settings.items()}
    waiting = {"topic.metadata.propagation.max.ms": str(milliseconds // 2)}
    return {**_DEFAULTS, **waiting, **given, **_FIXED, **_ROOM, "message.timeout.ms": str(milliseconds)}


def settings_problem(settings: Mapping[str, Setting], *, timeout_seconds: float) -> tuple[str, str] | None:
    """Return the name of a setting that is wrong, and what is wrong with it; None where librdkafka takes them all.

    Files that settings name are read. Needs the library.
    """
    for name in filter(_REFUSED.get, settings):
        return name, _REFUSED[name]
    refusal = _refusal(settings, timeout_seconds)
    if not refusal:
        return None
    named = [name for name in settings if name in refusal]
    if not named:  # librdkafka speaks of a setting by another of its names, or of several together
        named = [name for name, value in settings.items() if _refusal({name: value}, timeout_seconds) == refusal]
    return max(named, key=len, default="security.protocol"), f"is refused by librdkafka: {refusal}"


def _refusal(settings: Mapping[str, Setting], timeout_seconds: float) -> str:
    """Return what librdkafka says against settings; empty where it takes them."""
    from confluent_kafka import KafkaException, Producer

    try:
        # Without brokers: it connects to nothing. A logger, lest it says so on standard error.
        Producer(configuration(settings, timeout_seconds=timeout_seconds), logger=_Silence())
    except KafkaException as error:
        return redact(error.args[0].str())
    return ""


class _Silence:
    def log(self, *_: object) -> None:
        """Takes what the trial says: that there are no brokers."""
