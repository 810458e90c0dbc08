import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config import ObjectReader
from importer.errors import Rejected, SinkRefused
from importer.points import Payload, Point
from importer.sinks import file
from importer.sinks.file import FileSink
from importer.sinks.plain_text import Names
from tests.sinks.strategies import POINTS

NOW = 1_462_147_200
DAU = Point(("shop", "Bike Shop", "6.6.1"), 48213, NOW, (("zone", "eu west"),))
DAU_LINE = b'{"name":"shop.Bike_Shop.6-6-1","labels":{"zone":"eu west"},"value":48213,"timestamp":1462147200}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def deliver(sink: FileSink, *points: Point) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


def test_a_point_is_a_line_with_graphites_name_and_its_labels_apart(path: Path) -> None:
    deliver(FileSink(path=path), DAU, Point(("n",), 0.1, NOW + 0.25))
    assert path.read_bytes() == DAU_LINE + b'{"name":"n","labels":{},"value":0.1,"timestamp":1462147200.25}\n'


@given(st.lists(POINTS, min_size=1, max_size=5))
def test_every_point_is_read_back_with_all_its_digits_from_a_line_of_its_own(points: list[Point]) -> None:
    (payload,) = FileSink(path=Path("unused")).encode(points)
    assert payload.data.isascii()
    lines = payload.data.decode().splitlines()
    assert [(row["value"], row["timestamp"]) for row in map(json.loads, lines)] == [
        (point.value, point.timestamp) for point in points
    ]
    names = Names()
    assert [json.loads(line)["name"] for line in lines] == [names[point.path] for point in points]


@given(POINTS)
def test_labels_are_text_that_every_reader_takes(point: Point) -> None:
    (line,) = FileSink(path=Path("unused")).preview([point])
    labels = json.loads(line)["labels"]
    assert labels == {
        name.encode(errors="replace").decode(): value.encode(errors="replace").decode() for name, value in point.labels
    }


def test_half_a_character_becomes_a_question_mark() -> None:
    point = Point(("n",), 1, NOW, (("\ud800", "a\udfff"),))
    (line,) = FileSink(path=Path("unused")).preview([point])
    assert json.loads(line)["labels"] == {"?": "a?"}


def test_the_preview_is_what_is_appended(path: Path) -> None:
    sink = FileSink(path=path)
    deliver(sink, DAU)
    assert list(sink.preview([DAU])) == path.read_text().splitlines()


def test_a_point_whose_name_is_too_long_does_not_cost_the_others(path: Path) -> None:
    sink = FileSink(path=path)
    too_long = Point(("x" * 16_001,), 1, NOW)
    assert sink.encode([too_long, DAU]) == sink.encode([DAU])
    assert sink.encode([too_long]) == []


def test_many_points_are_cut_into_payloads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MAX_PAYLOAD_LINES", 3)
    payloads = FileSink(path=path).encode(Point(("n",), n, n) for n in range(7))
    assert [payload.points for payload in payloads] == [3, 3, 1]
    assert {payload.format for payload in payloads} == {"jsonl"}


def test_a_payload_that_a_new_process_delivers_again_is_there_once(path: Path) -> None:
    for _ in range(2):
        deliver(FileSink(path=path), DAU)
    assert path.read_bytes() == DAU_LINE


@pytest.mark.parametrize(
    "payload",
    [
        Payload(b"", points=1, format="jsonl"),
        Payload(b'{"n":1}', points=1, format="jsonl"),
        Payload(DAU_LINE, points=1, format="plain"),
    ],
)
def test_what_is_not_made_of_lines_is_rejected(payload: Payload, path: Path) -> None:
    with pytest.raises(Rejected):
        FileSink(path=path).deliver(payload)
    assert not path.exists()


def test_an_error_names_the_file(path: Path) -> None:
    sink = FileSink(path=path / "gone" / "f")
    with pytest.raises(SinkRefused) as caught:
        deliver(sink, DAU)
    assert str(caught.value) == f"file://{path}/gone/f: no such file or directory"


def test_the_file_is_in_the_state_directory_unless_told_otherwise(tmp_path: Path) -> None:
    for values, path in (({}, "metrics.jsonl"), ({"path": "a/b"}, "a/b"), ({"path": "/var/x"}, "/var/x")):
        keys = ObjectReader(Path("graphite.json"), values)
        assert FileSink.from_keys(keys, state=tmp_path).lane == f"file://{tmp_path / path}"
        assert keys.problems == []


def test_the_bounds_of_the_keys_are_used(path: Path) -> None:
    keys = ObjectReader(Path("graphite.json"), {"max_bytes": len(DAU_LINE), "keep_files": 1})
    sink = FileSink.from_keys(keys, state=path.parent)
    for number in range(3):
        deliver(sink, Point(("n",), number, NOW))
        deliver(sink, DAU)
    assert {found.name for found in path.parent.iterdir()} == {"metrics.jsonl", "metrics.jsonl.1"}


@pytest.mark.parametrize("key", ["max_bytes", "keep_files"])
def test_an_impossible_bound_is_a_mistake(key: str, tmp_path: Path) -> None:
    keys = ObjectReader(Path("graphite.json"), {key: 0})
    FileSink.from_keys(keys, state=tmp_path)
    assert [f"{problem.key}: {problem.what}" for problem in keys.problems] == [
        f"{key}: 0 is not a whole number of 1 or more"
    ]
