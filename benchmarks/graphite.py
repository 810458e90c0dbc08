"""Points to a receiver that discards them, in another process: our sink beside graphitesend."""

from collections.abc import Callable, Iterator
from functools import partial

import graphitesend

from benchmarks.measure import Elapsed, Figure, at_least, at_most, measured, started
from importer.job import COMMIT_POINTS
from importer.points import Point
from importer.sinks.graphite import GraphiteProtocol, GraphiteSink

BATCH = 500
APPS = tuple(f"App {number}" for number in range(1_000))
METRICS = ("appLoads", "crashes", "exceptions")
SERIES = len(APPS) * len(METRICS)
OURS = 1_000_000
PEERS = 50_000
ROUNDS = 5
"""The best of them counts: what disturbs a run only makes it slower."""


def _figures(start: int, count: int) -> Iterator[tuple[str, str, float, int]]:
    """Yield app, metric, value and time as livestats has them: whole numbers, and here every third a percentage."""
    for n in range(start, start + count):
        value = n % 100_003 if n % 3 else n % 10_007 / 100
        yield APPS[n // 3 % len(APPS)], METRICS[n % 3], value, 1_462_231_500 + n // SERIES * 10


def run() -> Iterator[Figure]:
    """Measure both protocols and their peers."""
    with started("benchmarks.discard") as port:
        ours = _rates(partial(_send_ours, int(port), "plain"), OURS)
        pickle = _rates(partial(_send_ours, int(port), "pickle"), OURS)
        one_by_one = _rates(partial(_send_singly, int(port)), PEERS)
        in_lists = _rates(partial(_send_lists, int(port)), PEERS * 4)
    yield at_least("graphite plain, 500 a batch", ours[0], "points/s", 1_000_000)
    yield at_most("graphite plain", ours[1], "us CPU a point", 1.0)
    yield Figure("graphite pickle, 500 a batch", pickle[0], "points/s")
    yield Figure("graphite pickle", pickle[1], "us CPU a point")
    yield Figure("graphitesend send()", one_by_one[0], "points/s")
    yield Figure("graphitesend send_list(500)", in_lists[0], "points/s")
    yield at_least("plain beside graphitesend send()", ours[0] / one_by_one[0], "times", 10)
    yield at_least("plain beside graphitesend send_list(500)", ours[0] / in_lists[0], "times", 3)


def _rates(send: Callable[[int], Elapsed], count: int) -> tuple[float, float]:
    """Return points a second and microseconds of CPU a point, of the best round."""
    rounds = [send(count) for _ in range(ROUNDS)]
    return count / min(took.wall for took in rounds), min(took.cpu for took in rounds) / count * 1e6


def _send_ours(port: int, protocol: GraphiteProtocol, count: int) -> Elapsed:
    """Encode and deliver, as many points at a time as a job commits; making the points is not measured."""
    sink = GraphiteSink(host="127.0.0.1", port=port, protocol=protocol, max_buffer=BATCH)
    total = Elapsed()
    for start in range(0, count, COMMIT_POINTS):
        points = [
            Point(("apteligent", app, "live", metric), value, timestamp)
            for app, metric, value, timestamp in _figures(start, COMMIT_POINTS)
        ]
        with measured() as took:
            for payload in sink.encode(points):
                sink.deliver(payload)
        total.wall += took.wall
        total.cpu += took.cpu
    return total


def _client(port: int) -> graphitesend.GraphiteClient:
    options = {"prefix": "apteligent", "system_name": "", "lowercase_metric_names": False}
    return graphitesend.GraphiteClient(graphite_server="127.0.0.1", graphite_port=port, **options)


def _send_singly(port: int, count: int) -> Elapsed:
    client = _client(port)
    with measured() as took:
        for app, metric, value, timestamp in _figures(0, count):
            client.send(f"{app}.live.{metric}", value, timestamp)
    client.disconnect()
    return took


def _send_lists(port: int, count: int) -> Elapsed:
    """Send lists; making them is not measured, as it is not for ours."""
    client = _client(port)
    total = Elapsed()
    for start in range(0, count, BATCH):
        batch = [(f"{app}.live.{metric}", value, timestamp) for app, metric, value, timestamp in _figures(start, BATCH)]
        with measured() as took:
            client.send_list(batch)
        total.wall += took.wall
        total.cpu += took.cpu
    client.disconnect()
    return total
