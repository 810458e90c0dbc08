"""GraphiteSink against the real receivers: what was delivered is what their stores hold."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import pytest

from importer.errors import SinkUnavailable
from importer.points import Point
from importer.sinks.graphite import GraphiteSink
from tests.servers import CarbonCache, CarbonRelay, VictoriaMetrics

MAY_2016 = 1462147200
"""2016-05-02T00:00:00Z"""

EXACT_VALUES = (
    0.1 + 0.2,
    182.3456789,
    -1 / 3,
    0,
    48213,
    12345678.125,
    2**53 - 1,
    10**22,
    5e-324,
    1.7976931348623157e308,
    1e-7,
)
ROUNDED_VALUES = (182.3456789, -0.333333333333, 0, 48213, 12345678.125, 1e-7, 10**15)
"""VictoriaMetrics keeps decimal numbers of about 15 digits; these survive that, each in a series of its own."""

NAMES = {
    ("apteligent", "Ute & Van.au: Classifieds (beta)", "daily", "dau"): (
        "apteligent.Ute__Van-au__Classifieds_beta.daily.dau"
    ),
    ("apteligent", "App", "groupedby", "appversion", "6, patch: 2; hot", "dau"): (
        "apteligent.App.groupedby.appversion.6__patch__2__hot.dau"
    ),
    ("apteligent", "App", "groupedby", "appversion", "???", "dau"): "apteligent.App.groupedby.appversion._.dau",
    ("apteligent", "App", "services", "api.bikeshop.example\n", "latency"): (
        "apteligent.App.services.api-bikeshop-example.latency"
    ),
}
UNICODE_NAMES = {("apteligent", "Fahrräder 自転車", "daily", "dau"): "apteligent.Fahrräder_自転車.daily.dau"}


class Store(Protocol):
    """A server whose points can be read back."""

    def wait_for(self, name: str, points: int = 1) -> dict[int, float]: ...


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


HOSTS = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")),
]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["plain", "pickle"])
def cache_sink(request: pytest.FixtureRequest, carbon_cache: CarbonCache) -> GraphiteSink:
    """A sink for carbon-cache, once by each protocol."""
    if request.param == "plain":
        return GraphiteSink(host=carbon_cache.host, port=carbon_cache.plain_port, protocol="plain")
    return GraphiteSink(host=carbon_cache.host, port=carbon_cache.pickle_port, protocol="pickle")


def deliver_all(sink: GraphiteSink, points: Sequence[Point]) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


def series(name: str, values: Sequence[float]) -> list[Point]:
    """Return a point a second, from May 2016 on."""
    return [Point(("test", name), value, MAY_2016 + index) for index, value in enumerate(values)]


def assert_held(store: Store, name: str, values: Sequence[float]) -> None:
    expected = {MAY_2016 + index: float(value) for index, value in enumerate(values)}
    assert store.wait_for(f"test.{name}", len(values)) == expected


def test_carbon_stores_under_the_cleaned_names(cache_sink: GraphiteSink, carbon_cache: CarbonCache) -> None:
    names = NAMES | UNICODE_NAMES
    deliver_all(cache_sink, [Point(path, 1, MAY_2016) for path in names])
    assert {name: carbon_cache.wait_for(name) for name in names.values()} == {
        name: {MAY_2016: 1.0} for name in names.values()
    }
    assert carbon_cache.names() == sorted(names.values())


def test_carbon_takes_the_last_point_of_every_one_of_many_payloads(
    cache_sink: GraphiteSink, carbon_cache: CarbonCache
) -> None:
    values = range(1501)
    payloads = cache_sink.encode(series("many", values))
    assert [payload.points for payload in payloads] == [500, 500, 500, 1]
    for payload in payloads:
        cache_sink.deliver(payload)
    assert_held(carbon_cache, "many", values)


def test_after_a_killed_carbon_is_back_the_kept_payload_arrives(
    cache_sink: GraphiteSink, carbon_cache: CarbonCache
) -> None:
    before, after = series("killed", [1.5, 2.5])
    deliver_all(cache_sink, [before])
    assert_held(carbon_cache, "killed", [1.5])
    carbon_cache.kill()
    (kept,) = cache_sink.encode([after])
    with pytest.raises(SinkUnavailable, match="refused"):
        cache_sink.deliver(kept)
    carbon_cache.start()
    cache_sink.deliver(kept)
    assert_held(carbon_cache, "killed", [1.5, 2.5])


def test_what_a_frozen_carbon_never_read_does_not_count_as_delivered(carbon_cache: CarbonCache) -> None:
    """The kernel takes the bytes of a connection that nobody reads; a kill then throws them away."""
    hasty = GraphiteSink(host=carbon_cache.host, port=carbon_cache.plain_port, timeout_seconds=0.3)
    (kept,) = hasty.encode(series("frozen", [1.5]))
    carbon_cache.pause()
    with pytest.raises(SinkUnavailable):
        hasty.deliver(kept)
    carbon_cache.kill()
    carbon_cache.start()
    patient = GraphiteSink(host=carbon_cache.host, port=carbon_cache.plain_port)
    patient.deliver(kept)
    assert_held(carbon_cache, "frozen", [1.5])


@pytest.mark.server("carbon-cache")
@pytest.mark.parametrize("protocol", ["plain", "pickle"])
def test_carbon_is_reached_by_its_address(protocol: Literal["plain", "pickle"], host: str, tmp_path: Path) -> None:
    with CarbonCache(tmp_path / "store", host=host) as store:
        port = {"plain": store.plain_port, "pickle": store.pickle_port}[protocol]
        deliver_all(GraphiteSink(host=host, port=port, protocol=protocol), series("address", [1.5]))
        assert_held(store, "address", [1.5])


def test_carbon_is_found_by_name_whichever_family_it_listens_on(carbon_cache: CarbonCache) -> None:
    """`localhost` may stand for ::1 first, where this carbon does not listen."""
    deliver_all(GraphiteSink(host="localhost", port=carbon_cache.plain_port), series("name", [1.5]))
    assert_held(carbon_cache, "name", [1.5])


def test_the_relay_passes_on_every_digit(carbon_relay: CarbonRelay) -> None:
    deliver_all(GraphiteSink(host=carbon_relay.host, port=carbon_relay.plain_port), series("digits", EXACT_VALUES))
    assert_held(carbon_relay.store, "digits", EXACT_VALUES)


def test_the_relay_passes_on_cleaned_names_as_they_are(carbon_relay: CarbonRelay) -> None:
    """ASCII ones, that is: the relay itself writes `_` for each byte of any other letter."""
    sink = GraphiteSink(host=carbon_relay.host, port=carbon_relay.plain_port)
    deliver_all(sink, [Point(path, 1, MAY_2016) for path in NAMES])
    for name in NAMES.values():
        assert carbon_relay.store.wait_for(name) == {MAY_2016: 1.0}


def test_after_a_killed_relay_is_back_the_kept_payload_arrives(carbon_relay: CarbonRelay) -> None:
    sink = GraphiteSink(host=carbon_relay.host, port=carbon_relay.plain_port)
    deliver_all(sink, series("killed", [1.5]))
    assert_held(carbon_relay.store, "killed", [1.5])
    carbon_relay.kill()
    (kept,) = sink.encode(series("killed", [1.5, 2.5])[1:])
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.deliver(kept)
    carbon_relay.start()
    sink.deliver(kept)
    assert_held(carbon_relay.store, "killed", [1.5, 2.5])


def test_the_relay_takes_points_while_its_store_is_down(carbon_relay: CarbonRelay) -> None:
    carbon_relay.store.kill()
    deliver_all(GraphiteSink(host=carbon_relay.host, port=carbon_relay.plain_port), series("away", [1.5]))
    carbon_relay.store.start()
    assert_held(carbon_relay.store, "away", [1.5])


@pytest.mark.server("carbon-c-relay")
def test_the_relay_is_reached_by_its_address(carbon_cache: CarbonCache, host: str, tmp_path: Path) -> None:
    with CarbonRelay(tmp_path / "relay", store=carbon_cache, host=host) as relay:
        deliver_all(GraphiteSink(host=host, port=relay.plain_port), series("address", [1.5]))
        assert_held(carbon_cache, "address", [1.5])


def test_victoria_metrics_keeps_the_digits_that_it_can(victoria_metrics: VictoriaMetrics) -> None:
    sink = GraphiteSink(host=victoria_metrics.host, port=victoria_metrics.plain_port)
    deliver_all(
        sink, [Point(("test", f"digits{index}"), value, MAY_2016) for index, value in enumerate(ROUNDED_VALUES)]
    )
    for index, value in enumerate(ROUNDED_VALUES):
        assert victoria_metrics.wait_for(f"test.digits{index}") == {MAY_2016: value}


def test_victoria_metrics_stores_under_the_cleaned_names(victoria_metrics: VictoriaMetrics) -> None:
    sink = GraphiteSink(host=victoria_metrics.host, port=victoria_metrics.plain_port)
    names = NAMES | UNICODE_NAMES
    deliver_all(sink, [Point(path, 1, MAY_2016) for path in names])
    for name in names.values():
        assert victoria_metrics.wait_for(name) == {MAY_2016: 1.0}


def test_after_a_stopped_victoria_metrics_is_back_the_kept_payload_arrives(victoria_metrics: VictoriaMetrics) -> None:
    """Stopped in good order: a killed one loses what it took in its last seconds, as every store may."""
    sink = GraphiteSink(host=victoria_metrics.host, port=victoria_metrics.plain_port)
    deliver_all(sink, series("stopped", [1.5]))
    assert_held(victoria_metrics, "stopped", [1.5])
    victoria_metrics.stop()
    (kept,) = sink.encode(series("stopped", [1.5, 2.5])[1:])
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.deliver(kept)
    victoria_metrics.start()
    sink.deliver(kept)
    assert_held(victoria_metrics, "stopped", [1.5, 2.5])


@pytest.mark.server("victoria-metrics")
def test_victoria_metrics_is_reached_by_its_address(host: str, tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path / "store", host=host) as store:
        deliver_all(GraphiteSink(host=host, port=store.plain_port), series("address", [1.5]))
        assert_held(store, "address", [1.5])
