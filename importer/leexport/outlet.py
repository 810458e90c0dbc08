"""Where a search's answers go: through the outbox to a sink, or to a class of the user's own."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from importer.config import ObjectReader, Unusable
from importer.credentials import Secret, redact
from importer.errors import ImporterError, SinkError, one_line
from importer.http_client import HttpClients
from importer.leexport.catalog import Catalog, ServiceClass, UnknownService
from importer.leexport.fitting import Answer
from importer.leexport.plugin_output import captured
from importer.leexport.sink_settings import Settings
from importer.points import Payload
from importer.sinks.base import Sink


class PluginFailed(ImporterError):
    """A user's service raised something; says what in one line."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What a search says about where its answers go."""

    search: str
    service: str
    keys: Mapping[str, object]
    """The section [[[destination]]] as the file has it: text, and lists of text where there are commas."""
    api_key: Secret | None
    """What [Services] has for this service."""

    @property
    def lane(self) -> str:
        """The name of a lane that is this search's alone: whatever happens to it, others are not held up."""
        return f"{self.service}: {self.search}"

    def family(self, *address: str) -> str:
        """Return the family of that lane: of no other destination than the one at this address.

        A search that gets another name takes along what waits; no other search is ever given it.
        """
        return f"{self.service} {hashlib.sha256(' '.join(address).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlets are built with, the same for all of them."""

    state: Path
    """The directory of the outbox."""
    catalog: Catalog
    clients: HttpClients


@dataclass(frozen=True, slots=True)
class QueuedOutlet:
    """Answers become payloads that are kept until the sink has them."""

    sink: Sink
    encode: Callable[[Answer], list[Payload]]
    """Raises Unfit for an answer that this destination has no use for."""
    preview: Callable[[Answer], Iterable[str]] | None = None
    """Yields what `encode` puts into payloads in lines for people; None: the payloads are text. Raises Unfit."""
    settings: Settings | None = field(default=None, repr=False)
    """What searches that share this lane have to agree on; None: the lane is this search's alone."""


@dataclass(frozen=True, slots=True)
class PluginOutlet:
    """Answers are given to a class, at once; what it cannot push is not kept."""

    service_class: ServiceClass
    destination: Destination = field(repr=False)

    def push(self, answer: Answer) -> None:
        """Let the class push an answer; raises PluginFailed whatever it raises."""
        api_key = self.destination.api_key
        try:
            with captured(f"[[{self.destination.search}]] {self.destination.service}"):
                service = self.service_class(answer, api_key.reveal() if api_key else None, dict(self.destination.keys))
                service.process()
        except ImporterError as error:  # of a service of ours, which tells all that there is to say
            raise PluginFailed(redact(error.reason if isinstance(error, SinkError) else str(error))) from error
        except BaseException as error:  # whatever it is: signals are none, they only set events
            name = type(error).__name__
            reason = redact(str(error))
            raise PluginFailed(one_line(f"{name}: {reason}" if reason else name)) from error


Outlet = QueuedOutlet | PluginOutlet

_BUILT_IN = {
    "geckoboard": "importer.leexport.geckoboard",
    "hosted_graphite": "importer.leexport.hosted_graphite",
    "kafka": "importer.leexport.kafka",
    "dummy": "importer.leexport.dummy",
    **dict.fromkeys(("graphite", "influxdb", "prometheus", "sqlite", "file"), "importer.leexport.point_service"),
}
"""What builds the outlet of a service: a module with a function `build_outlet`, imported on use."""

SERVICES = tuple(_BUILT_IN)
"""The services that need no module of the user's."""


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> Outlet | None:
    """Return where a destination's answers go; None after adding to `keys.problems` what is wrong with it.

    A user's service wins over one of ours of the same name.
    """
    try:
        service_class = surroundings.catalog.find(destination.service)
    except UnknownService as error:
        keys.problem("service", str(error))
        return None
    if service_class is not None:
        for key, value in destination.keys.items():
            if isinstance(value, Unusable):
                keys.problem(key, value.reason)
        return PluginOutlet(service_class, destination)
    if destination.service not in _BUILT_IN:
        keys.problem("service", f"{UnknownService(destination.service)}; there are {', '.join(SERVICES)}")
        return None
    already = len(keys.problems)
    built: Outlet | None = import_module(_BUILT_IN[destination.service]).build_outlet(destination, keys, surroundings)
    return built if len(keys.problems) == already else None
