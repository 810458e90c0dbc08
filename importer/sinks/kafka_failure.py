"""What librdkafka's errors mean for the payload in hand.

Errors are told by librdkafka's own names, such as MSG_SIZE_TOO_LARGE; those that begin with `_` arose on our side.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Self

from importer.credentials import redact
from importer.errors import Rejected, SinkError, SinkRefused, SinkUnavailable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError


class Message(NamedTuple):
    """What goes to a topic."""

    key: str | None
    """None: without."""
    value: str
    milliseconds: int = 0
    """Its time, since 1970 UTC; 0: that of the sending."""


TOO_LARGE = frozenset({"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"})
"""Said of a message, or of the batch that librdkafka had put it into: alone it may still pass."""

_REJECTIONS = TOO_LARGE | {"INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD", "INVALID_TIMESTAMP"}

_SASL = "correct security.protocol, sasl.mechanism, sasl.username or sasl.password"
_TOPIC = "make the topic, or correct topic"
_REFUSALS = {
    "_AUTHENTICATION": _SASL,
    "SASL_AUTHENTICATION_FAILED": _SASL,
    "UNSUPPORTED_SASL_MECHANISM": _SASL,
    "ILLEGAL_SASL_STATE": _SASL,
    "_SSL": "correct security.protocol, or the settings that begin with ssl.",
    "TOPIC_AUTHORIZATION_FAILED": "let this user write to the topic, or correct topic",
    "CLUSTER_AUTHORIZATION_FAILED": "let this user write idempotently (IdempotentWrite on the cluster)",
    "UNKNOWN_TOPIC_OR_PART": _TOPIC,
    "_UNKNOWN_TOPIC": _TOPIC,
    "_UNKNOWN_PARTITION": _TOPIC,
    "TOPIC_EXCEPTION": "correct topic",
    "UNSUPPORTED_COMPRESSION_TYPE": "correct compression.type",
    "UNSUPPORTED_VERSION": "the brokers must be Kafka 0.11 or newer",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": "the topic's message format must be that of Kafka 0.11 or newer",
    "_UNSUPPORTED_FEATURE": "the brokers must be Kafka 0.11 or newer",
    "_INVALID_ARG": "correct librdkafka's settings",
}
"""Errors that are about our configuration or our rights, and what to mend."""

_STATE = re.compile(r" \(after \d+ms in state [A-Z_]+[^)]*\)$")


class Outcome(Enum):
    """What becomes of a payload whose messages met an error."""

    UNAVAILABLE = "kept, tried again"
    REFUSED = "kept, waits for a person"
    REJECTED = "set aside"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One error, as librdkafka told it."""

    code: str
    """Its name; one that is not known to be anything else may heal."""
    reason: str
    """What it says, for people."""

    @classmethod
    def of(cls, error: "KafkaError") -> Self:
        """Return an error of librdkafka's as a trouble."""
        return cls(error.name(), told(redact(error.str())))

    @property
    def outcome(self) -> Outcome:
        """Whether it heals by itself, by a person, or never."""
        if self.code in _REFUSALS:
            return Outcome.REFUSED
        return Outcome.REJECTED if self.code in _REJECTIONS else Outcome.UNAVAILABLE

    def sink_error(self, lane: str, *, detail: str = "") -> SinkError:
        """Return the error to raise for it."""
        reason = f"{self.reason}{detail}"
        if self.outcome is Outcome.REFUSED:
            return SinkRefused(lane, f"{reason}: {_REFUSALS[self.code]}")
        return Rejected(lane, reason) if self.outcome is Outcome.REJECTED else SinkUnavailable(lane, reason)


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not confirmed, and why."""

    message: Message
    trouble: Trouble

    @property
    def outcome(self) -> Outcome:
        """What becomes of the payload, were this its only failure."""
        return self.trouble.outcome


def payload_error(lane: str, failures: Sequence[Failure], messages: int) -> SinkError:
    """Return the error of a payload of so many messages, at least one of which failed.

    A payload is set aside only if nothing but hopeless messages is left of it: the others would be lost with them.
    """
    by_outcome = {failure.outcome: failure for failure in reversed(failures)}
    gravest = next(by_outcome[outcome] for outcome in Outcome if outcome in by_outcome)
    return gravest.trouble.sink_error(lane, detail=f" ({len(failures)} of {messages} messages not delivered)")


def told(text: str) -> str:
    """Return what librdkafka says, without how long a connection had been in which state: else no two are the same.

    >>> told("Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 3ms in state CONNECT)")
    'Connect to ipv4#127.0.0.1:9092 failed: Connection refused'
    """
    return _STATE.sub("", text)
