"""What a service refuses or gives up that anybody can reach."""

from dataclasses import dataclass

from importer.http_server.limits import Limits


@dataclass(frozen=True, slots=True)
class ServiceLimits(Limits):
    """What requests may take, and what they may wait for."""

    outbox_seconds: float = 10.0
    """How long a request waits for an outbox that others write to."""
