"""graphite, influxdb, prometheus, sqlite, file: answers as points for any destination that all commands share."""

from collections.abc import Iterator

from importer.config import ObjectReader
from importer.destinations import build_sink
from importer.leexport.destination_keys import metric_name
from importer.leexport.fitting import Answer, Unfit, statistics_of, times_ms, unfit
from importer.leexport.outlet import Destination, QueuedOutlet, Surroundings
from importer.leexport.sink_settings import settings_of
from importer.points import Payload, Point
from importer.sources.logentries.statistics import Statistics

GRAPHITE_PROTOCOLS = ("plain", "pickle")
DEFAULT_GROUP_LABEL = "group"


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> QueuedOutlet | None:
    """Return the outlet of a search; None after adding to `keys.problems` what is wrong.

    The lane is the destination's own, which searches share: points say themselves whose they are.
    """
    name = metric_name(keys)
    label = keys.text("group_label", DEFAULT_GROUP_LABEL)
    is_graphite = destination.service == "graphite"
    protocol = keys.choice("protocol", GRAPHITE_PROTOCOLS, "plain") if is_graphite else destination.service
    sink = build_sink(keys, state=surroundings.state, protocol=protocol)
    if sink is None:
        return None

    path = tuple(name.split("."))

    def encode(answer: Answer) -> list[Payload]:
        return sink.encode(list(points(statistics_of(answer), path, label)))

    def preview(answer: Answer) -> Iterator[str]:
        return sink.preview(points(statistics_of(answer), path, label))

    return QueuedOutlet(sink, encode, preview, settings_of(keys))


def points(statistics: Statistics, path: tuple[str, ...], group_label: str) -> Iterator[Point]:
    """Yield a point for each of the series, or for each group at the window's end, labelled by it; raises Unfit."""
    try:
        yield from _points(statistics, path, group_label)
    except ValueError as error:  # a time or a number that no store can hold
        raise Unfit(str(error)) from error


def _points(statistics: Statistics, path: tuple[str, ...], group_label: str) -> Iterator[Point]:
    if statistics.series is not None:
        for value, milliseconds in zip(statistics.series, times_ms(statistics), strict=True):
            if value is not None:
                yield Point(path, value, milliseconds / 1000)
        return
    if statistics.groups is None:
        raise unfit("this service", "a time series or groups", statistics)
    if statistics.end_ms is None:
        raise Unfit("the answer does not say when its window ends")
    for label, value in statistics.groups:
        if value is not None:
            yield Point(path, value, statistics.end_ms / 1000, ((group_label, label),))
