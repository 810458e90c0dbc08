import os
import subprocess
import sys

import pytest

from importer.sinks import PROTOCOLS, sink_class
from importer.sinks.base import PointSink

HEAVY = (
    "graphitesend",
    "gevent",
    "sqlite3",
    "requests",
    "configobj",
    "confluent_kafka",
    "prometheus_client",
    "ssl",
    "importer.sinks.graphite",
    "importer.sinks.sqlite",
)


def loaded_after(code: str) -> set[str]:
    """Return which of the heavy modules a fresh interpreter has loaded after running code."""
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    # Without coverage in the child, which would load sqlite3 itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    return set(result.stdout.split())


def test_the_table_of_sinks_loads_no_sink() -> None:
    assert loaded_after("import importer.sinks") == set()


@pytest.mark.parametrize(
    ("protocol", "loaded"),
    [
        ("plain", {"importer.sinks.graphite"}),
        ("pickle", {"importer.sinks.graphite"}),
        ("dummy", set()),
        ("sqlite", {"importer.sinks.sqlite", "sqlite3"}),
        ("influxdb", set()),
        ("prometheus", set()),
        ("kafka", set()),
        ("hosted_graphite", set()),
        ("file", set()),
    ],
)
def test_a_protocol_loads_what_it_needs_and_nothing_of_the_others(protocol: str, loaded: set[str]) -> None:
    assert loaded_after(f"from importer.sinks import sink_class; sink_class({protocol!r})") == loaded


def test_graphitesend_is_loaded_for_naming_options_alone() -> None:
    build = "from importer.sinks.graphite import GraphiteSink; from importer.sinks.naming import Naming\n"
    assert "graphitesend" not in loaded_after(f"{build}GraphiteSink(host='h', port=1).encode([])")
    assert "graphitesend" in loaded_after(f"{build}GraphiteSink(host='h', port=1, naming=Naming(prefix='p'))")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_has_a_sink(protocol: str) -> None:
    assert issubclass(sink_class(protocol), PointSink)


def test_an_unknown_protocol_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'carrier pigeon' is not one of plain, pickle, dummy"):
        sink_class("carrier pigeon")
