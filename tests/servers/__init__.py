"""Real metric stores from Debian's packages, run as subprocesses on loopback, for tests."""

from tests.servers.carbon import CarbonCache, CarbonRelay
from tests.servers.debian import PROGRAMS, why_missing
from tests.servers.influx import Influxdb
from tests.servers.nats import Nats
from tests.servers.process import Server, ServerFailed
from tests.servers.prometheus import Prometheus, PrometheusPushgateway
from tests.servers.victoria import VictoriaMetrics

__all__ = [
    "PROGRAMS",
    "CarbonCache",
    "CarbonRelay",
    "Influxdb",
    "Nats",
    "Prometheus",
    "PrometheusPushgateway",
    "Server",
    "ServerFailed",
    "VictoriaMetrics",
    "why_missing",
]
