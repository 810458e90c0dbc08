"""What Prometheus is told of the service; the processes of one service count together.

prometheus_client keeps the counters of several processes in files of a directory, which it asks the environment for
when it is imported: `share_between_processes` comes first.
https://prometheus.github.io/client_python/multiprocess/ (2026-11-28)
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from importer.outbox_view import LaneState

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_DELIVERY_BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


def share_between_processes(directory: Path) -> None:
    """Let this process and those that it starts count in the files of an empty directory."""
    os.environ[_DIRECTORY_VARIABLE] = str(directory)


class Meters:
    """The counters of this process. One instance a process; make it after `share_between_processes`."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()  # the answer is made of what all processes wrote
        self.accepted = Counter("stats_service_accepted", "Events that were answered with 200.", registry=own)
        self.rejected = Counter(
            "stats_service_rejected", "Requests that were refused, by reason.", ["reason"], registry=own
        )
        self.commit_seconds = Histogram(
            "stats_service_commit_seconds", "How long a group commit took.", buckets=_COMMIT_BUCKETS, registry=own
        )
        self.delivery_seconds = Histogram(
            "stats_service_delivery_seconds",
            "From the acceptance of an event to its delivery, of the oldest event of each delivery.",
            buckets=_DELIVERY_BUCKETS,
            registry=own,
        )

    def committed(self, events: int, seconds: float) -> None:
        """Count a group commit."""
        self.accepted.inc(events)
        self.commit_seconds.observe(seconds)


def exposition(lanes: Iterable[LaneState], rejects: int) -> bytes:
    """Return what all processes counted, and what waits now, in the text format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_backlog(list(lanes), rejects))
    return generate_latest(registry)


def _backlog(lanes: list[LaneState], rejects: int) -> "Collector":
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class Backlog(Collector):
        def collect(self) -> Iterator[Metric]:
            events = GaugeMetricFamily(
                "stats_service_backlog_events", "Events that wait for delivery.", labels=["destination"]
            )
            size = GaugeMetricFamily("stats_service_backlog_bytes", "Bytes that wait.", labels=["destination"])
            for lane in lanes:
                events.add_metric([lane.lane], lane.points)
                size.add_metric([lane.lane], lane.bytes)
            yield from (events, size)
            yield GaugeMetricFamily(
                "stats_service_set_aside", "Payloads that a store will never take, set aside.", value=rejects
            )

    return Backlog()
