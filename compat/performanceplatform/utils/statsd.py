"""Old import path of the counters by statsd."""

from importer.collector.statsd import StatsClient, incr

__all__ = ["StatsClient", "incr"]
