"""One description of a destination serves every command: an object, or a list of them, each with a lane."""

import json
from pathlib import Path

import pytest

from importer.destinations import load_destinations
from importer.errors import ConfigError
from importer.outbox import MAX_LANE_BYTES
from importer.sinks import PROTOCOLS
from importer.sinks.base import PointSink
from tests.apteligent import GOLDEN
from tests.destinations import NEEDED_KEYS

CARBON = {"host": "127.0.0.1", "port": 2003}


def load(folder: Path, content: object) -> list[PointSink]:
    path = folder / "graphite.json"
    path.write_text(json.dumps(content))
    return load_destinations(path, state=folder)


def problems(folder: Path, content: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, content)
    return [f"{problem.key}: {problem.what}" for problem in caught.value.problems]


def test_an_object_is_one_destination_and_plain_is_the_default(tmp_path: Path) -> None:
    (sink,) = load(tmp_path, CARBON)
    assert (sink.lane, sink.family, sink.outbox_max_bytes) == ("plain://127.0.0.1:2003", "graphite", MAX_LANE_BYTES)


def test_the_old_sample_is_one_destination() -> None:
    (sink,) = load_destinations(GOLDEN / "graphite.json", state=GOLDEN)
    assert sink.lane == "plain://127.0.0.1:2003"


def test_a_list_has_a_lane_for_each(tmp_path: Path) -> None:
    sinks = load(tmp_path, [CARBON, {**CARBON, "protocol": "pickle"}, {"protocol": "dummy"}, {"protocol": "sqlite"}])
    assert len({sink.lane for sink in sinks}) == 4
    for sink in sinks:
        sink.close()


def test_the_name_of_a_lane_tells_addresses_of_ipv6_apart_from_ports(tmp_path: Path) -> None:
    assert load(tmp_path, {"host": "::1", "port": 2003})[0].lane == "plain://[::1]:2003"


def test_a_port_may_be_text(tmp_path: Path) -> None:
    assert load(tmp_path, {"host": "carbon", "port": "2004", "protocol": "pickle"})[0].lane == "pickle://carbon:2004"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_old_keys_are_accepted_whatever_the_protocol(protocol: str, tmp_path: Path) -> None:
    (sink,) = load(tmp_path, {**CARBON, "max_buffer": 100, **NEEDED_KEYS[protocol], "protocol": protocol})
    sink.close()


def test_dummy_needs_neither_host_nor_port(tmp_path: Path) -> None:
    assert load(tmp_path, {"protocol": "dummy"})[0].lane == "dummy"


def test_the_bound_of_the_outbox_is_the_destinations_own(tmp_path: Path) -> None:
    assert load(tmp_path, {**CARBON, "outbox_max_bytes": 5})[0].outbox_max_bytes == 5


def test_every_mistake_of_every_destination_is_told_with_its_number(tmp_path: Path) -> None:
    assert problems(
        tmp_path, [{"host": 5, "port": 0}, CARBON, {**CARBON, "colour": 1}, {"protocol": "carrier-pigeon"}]
    ) == [
        "[1] host: 5 is not text",
        "[1] port: 0 is not a whole number from 1 to 65535",
        "[3] colour: improper key",
        f'[4] protocol: "carrier-pigeon" is not one of {", ".join(PROTOCOLS)}',
    ]


def test_two_destinations_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    assert problems(tmp_path, [CARBON, CARBON]) == ["plain://127.0.0.1:2003: is named twice; keep one of them"]


@pytest.mark.parametrize("content", [[], None, "plain", [[]], [None]])
def test_what_describes_no_destination_is_a_mistake(content: object, tmp_path: Path) -> None:
    assert len(problems(tmp_path, content)) == 1


def test_a_max_buffer_that_stores_may_not_take_is_used_with_a_critical_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(tmp_path, {**CARBON, "max_buffer": 501})
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
