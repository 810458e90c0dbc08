"""Events as sinks are given them."""

from importer.events.event import EVENTS_FORMAT, Event, write_events
from importer.points import Payload


def payload(*events: Event) -> Payload:
    return Payload(write_events(events), len(events), EVENTS_FORMAT)
