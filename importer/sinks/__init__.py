"""Destinations: one module a protocol, imported when a configuration names it.

A destination is described by an object with a `protocol` and the keys of that protocol, for every command alike.
"""

from importlib import import_module

from importer.sinks.base import PointSink

__all__ = ["PROTOCOLS", "PointSink", "sink_class"]

_SINKS = {
    "plain": "importer.sinks.graphite:GraphiteSink",
    "pickle": "importer.sinks.graphite:GraphiteSink",
    "dummy": "importer.sinks.dummy:DummySink",
    "sqlite": "importer.sinks.sqlite:SqliteSink",
    "influxdb": "importer.sinks.influxdb:InfluxdbSink",
    "prometheus": "importer.sinks.prometheus:PrometheusSink",
    "kafka": "importer.sinks.kafka:KafkaSink",
    "hosted_graphite": "importer.sinks.hosted_graphite:HostedGraphiteSink",
    "file": "importer.sinks.file:FileSink",
}
"""What serves a protocol: module and class, imported on use so that nobody pays for another one's client."""

PROTOCOLS = tuple(_SINKS)
"""The values that the `protocol` of a destination may have."""


def sink_class(protocol: str) -> type[PointSink]:
    """Return the class of the sinks that serve a protocol, importing its module.

    Raises ValueError for a protocol that is not one of PROTOCOLS.
    """
    if protocol not in _SINKS:
        raise ValueError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    module_name, _, class_name = _SINKS[protocol].partition(":")
    found: type[PointSink] = getattr(import_module(module_name), class_name)
    return found
