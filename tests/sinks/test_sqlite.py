import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.metric_store import MetricStore, MetricWriter, labels_text
from importer.points import Payload, Point
from importer.sinks.plain_text import Names
from importer.sinks.sqlite import MAX_PAYLOAD_POINTS, SqliteSink
from tests.sinks.strategies import POINTS

DAY = 86_400
NOW = 1_462_147_200.0
DAU = Point(("shop", "Bike Shop", "dau"), 48213, NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.db"


def deliver(sink: SqliteSink, *points: Point) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


def stored(path: Path) -> list[Point]:
    with MetricStore(path) as store:
        return [point for series in store.series() for point in store.points(series)]


def test_points_are_stored_under_the_names_of_graphite_with_their_labels_apart(path: Path) -> None:
    sink = SqliteSink(path=path)
    deliver(sink, Point(("shop", "Bike Shop", "6.6.1"), 0.1, NOW, (("zone", "eu west"),)))
    sink.close()
    assert stored(path) == [Point(("shop", "Bike_Shop", "6-6-1"), 0.1, NOW, (("zone", "eu west"),))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(POINTS, max_size=5))
def test_every_number_is_stored_with_all_its_digits(tmp_path: Path, points: list[Point]) -> None:
    path = tmp_path / "any.db"
    for old in tmp_path.iterdir():
        old.unlink()
    sink = SqliteSink(path=path)
    deliver(sink, *points)
    sink.close()
    names = Names()
    expected = {(names[point.path, ()], labels_text(point.labels), point.timestamp): point.value for point in points}
    found = {
        (".".join(point.path), labels_text(point.labels), point.timestamp): point.value
        for point in (stored(path) if points else ())
    }
    assert found.keys() == expected.keys()
    for key, value in found.items():
        whole = isinstance(expected[key], int) and -(2**63) <= expected[key] < 2**63
        assert value == (expected[key] if whole else float(expected[key]))
        assert isinstance(value, int) == whole


def test_the_same_name_labels_and_time_is_overwritten(path: Path) -> None:
    sink = SqliteSink(path=path)
    deliver(sink, DAU, Point(DAU.path, 1, NOW), Point(DAU.path, 2, NOW, (("os", "ios"),)))
    deliver(sink, Point(DAU.path, 3, NOW))
    sink.close()
    assert [(point.labels, point.value) for point in stored(path)] == [((), 3), ((("os", "ios"),), 2)]


def test_many_points_are_cut_into_payloads(path: Path) -> None:
    points = [Point(("n",), number, number) for number in range(MAX_PAYLOAD_POINTS + 1)]
    assert [payload.points for payload in SqliteSink(path=path).encode(points)] == [MAX_PAYLOAD_POINTS, 1]


def test_the_file_is_for_its_user_alone(path: Path) -> None:
    sink = SqliteSink(path=path)
    deliver(sink, DAU)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("metrics.db*")}
    sink.close()
    assert modes == dict.fromkeys(modes, 0o600)
    assert "metrics.db" in modes


def test_points_older_than_the_retention_are_deleted_at_most_once_an_hour(path: Path) -> None:
    now = [NOW]
    sink = SqliteSink(path=path, retention_days=2, clock=lambda: now[0])
    old = Point(("n",), 1, NOW - 2 * DAY - 1)
    deliver(sink, old, Point(("n",), 2, NOW - 2 * DAY))
    assert [point.value for point in stored(path)] == [2]
    now[0] += 3599
    deliver(sink, old)
    assert [point.value for point in stored(path)] == [1, 2]
    now[0] += 1
    deliver(sink, DAU)
    sink.close()
    assert stored(path) == [Point(("shop", "Bike_Shop", "dau"), 48213, NOW)]


def test_without_a_retention_nothing_is_deleted(path: Path) -> None:
    sink = SqliteSink(path=path, clock=lambda: NOW)
    deliver(sink, Point(("n",), 1, 0))
    sink.close()
    assert len(stored(path)) == 1


@pytest.mark.parametrize("days", [0, -1, float("nan")])
def test_a_retention_that_keeps_nothing_is_refused(path: Path, days: float) -> None:
    with pytest.raises(ValueError, match="retention_days"):
        SqliteSink(path=path, retention_days=days)


def test_the_lane_is_the_whole_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert SqliteSink(path=Path("metrics.db")).lane == f"sqlite://{path}"


def test_a_file_held_by_another_process_is_unavailable_and_works_later(path: Path) -> None:
    sink = SqliteSink(path=path, busy_timeout_seconds=0.05)
    deliver(sink, DAU)
    with (
        MetricWriter(path) as other,
        other._transaction(),
        pytest.raises(SinkUnavailable, match="another process holds the file"),
    ):
        deliver(sink, Point(("n",), 1, NOW))
    deliver(sink, Point(("n",), 1, NOW))
    sink.close()
    assert len(stored(path)) == 2


def test_a_file_that_was_taken_away_is_made_anew(path: Path) -> None:
    sink = SqliteSink(path=path)
    deliver(sink, DAU)
    for file in path.parent.glob("metrics.db*"):
        file.unlink()
    deliver(sink, DAU)
    sink.close()
    assert len(stored(path)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'[["n", "{}", 1]]',
        b'[["n", "{}", 1, null]]',
        b'[["n", "{}", 1, NaN]]',
        b'[["n", "{}", -1, 5]]',
        b'[["n", {}, 1, 5]]',
        b"\xff",
    ],
)
def test_a_damaged_payload_is_rejected_whole(path: Path, data: bytes) -> None:
    sink = SqliteSink(path=path)
    with pytest.raises(Rejected, match="damaged"):
        sink.deliver(Payload(data, points=1, format="rows"))
    assert not path.exists()


def test_a_damaged_row_keeps_none_of_its_payload(path: Path) -> None:
    sink = SqliteSink(path=path)
    (payload,) = sink.encode([DAU])
    rows = [*json.loads(payload.data), ["n"]]
    with pytest.raises(Rejected):
        sink.deliver(Payload(json.dumps(rows).encode(), points=2, format="rows"))
    assert not path.exists()


def test_check_makes_no_file_and_counts_the_series_of_one(path: Path) -> None:
    sink = SqliteSink(path=path)
    assert sink.check() == f"sqlite://{path} will be made"
    assert not path.exists()
    deliver(sink, DAU, Point(("n",), 1, NOW))
    assert sink.check() == f"sqlite://{path} holds 2 series"
    sink.close()


def test_check_refuses_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SinkRefused, match="no directory that this user may write to"):
        SqliteSink(path=tmp_path / "gone" / "metrics.db").check()
