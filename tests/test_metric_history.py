"""The points of an embedded store come oldest first, a few at a time, as they were when reading began."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import SinkError, SinkRefused
from importer.metric_history import Extent, MetricHistory, Position
from importer.metric_store import MetricWriter, Row, labels_text
from importer.points import Point

DAY = 86400
BEGINNING = Position()


def stored(path: Path, rows: list[Row]) -> Path:
    with MetricWriter(path) as writer:
        writer.write(rows)
    return path


def read(
    history: MetricHistory, after: Position = BEGINNING, *, end: float = 2**32, max_points: int = 3
) -> list[Point]:
    chunks = list(history.chunks(after, end=end, max_points=max_points))
    assert all(0 < len(chunk.points) <= max_points for chunk in chunks)
    return [point for chunk in chunks for point in chunk.points]


times = st.one_of(st.integers(0, 50), st.integers(0, 2**32 - 1), st.floats(0, 100, allow_nan=False))
rows = st.dictionaries(st.tuples(st.sampled_from("abcd"), times), st.integers(-5, 5), min_size=1, max_size=60)


@given(content=rows, max_points=st.integers(1, 9), cut=st.integers(0, 60))
def test_every_point_comes_once_in_the_order_of_time_wherever_reading_begins_again(
    tmp_path_factory: pytest.TempPathFactory, content: dict[tuple[str, float], int], max_points: int, cut: int
) -> None:
    path = stored(
        tmp_path_factory.mktemp("store") / "metrics.db",
        [(name, "{}", time, value) for (name, time), value in content.items()],
    )
    with MetricHistory(path) as history:
        points = read(history, max_points=max_points)
        chunks = list(history.chunks(Position(), max_points=max_points))
        rest = read(history, chunks[min(cut, len(chunks) - 1)].position, max_points=max_points)
    expected = {(name, time, value) for (name, time), value in content.items()}
    assert {(*point.path, point.timestamp, point.value) for point in points} == expected
    assert len(points) == len(expected)
    assert [point.timestamp for point in points] == sorted(point.timestamp for point in points)
    seen = sum(len(chunk.points) for chunk in chunks[: cut + 1])
    assert rest == points[seen:]


def test_names_are_paths_and_labels_are_as_they_were(tmp_path: Path) -> None:
    path = stored(tmp_path / "metrics.db", [("shop.dau", labels_text((("zone", "eu west"), ("host", "web.1"))), 60, 7)])
    with MetricHistory(path) as history:
        assert read(history) == [Point(("shop", "dau"), 7, 60, (("host", "web.1"), ("zone", "eu west")))]


def test_only_what_was_asked_for_is_read_and_counted(tmp_path: Path) -> None:
    content: list[Row] = [(name, "{}", day * DAY, day) for name in ("shop.dau", "shop.mau", "live") for day in range(9)]
    path = stored(tmp_path / "metrics.db", content)
    with MetricHistory(path, "shop.*") as history:
        begin, end = Position(2 * DAY), 5 * DAY
        assert history.extent(begin, end=end) == Extent(series=2, points=6, first=2 * DAY, last=4 * DAY)
        assert [point.value for point in read(history, begin, end=end)] == [2, 2, 3, 3, 4, 4]


def test_what_is_written_meanwhile_changes_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path / "metrics.db", [("dau", "{}", time, 1) for time in range(6)])
    with MetricHistory(path) as history:
        chunks = history.chunks(Position(), max_points=2)
        first = next(chunks)
        stored(path, [("dau", "{}", 4, 99), ("dau", "{}", 7, 99), ("new", "{}", 5, 99)])
        rest = [point for chunk in chunks for point in chunk.points]
    assert [point.value for point in [*first.points, *rest]] == [1] * 6


def test_a_store_without_a_fitting_point_has_no_extent(tmp_path: Path) -> None:
    path = stored(tmp_path / "metrics.db", [("dau", "{}", 5, 1)])
    with MetricHistory(path, "x*") as history:
        assert history.extent(Position()) == Extent(0, 0, 0, 0)
        assert read(history) == []


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with MetricHistory(tmp_path / "none.db") as history, pytest.raises(SinkRefused, match="does it exist"):
        history.extent(Position())
    assert list(tmp_path.iterdir()) == []


def test_a_long_look_is_cut_short_when_it_is_time_to_stop(tmp_path: Path) -> None:
    path = stored(tmp_path / "metrics.db", [("dau", "{}", time, 1) for time in range(200_000)])
    with MetricHistory(path, stopping=lambda: True) as history, pytest.raises(SinkError, match="interrupted"):
        history.extent(Position())


def test_names_are_never_taken_from_a_file_whose_place_another_took(tmp_path: Path) -> None:
    path = stored(tmp_path / "metrics.db", [("a", "{}", 60, 1), ("b", "{}", 60, 2), ("a", "{}", 120, 3)])
    other = stored(tmp_path / "other.db", [("b", "{}", 60, 2), ("a", "{}", 60, 1), ("a", "{}", 120, 3)])
    with MetricHistory(path) as history:
        assert len(read(history)) == 3
        other.replace(path)
        assert {(*point.path, point.value) for point in read(history)} == {("a", 1), ("b", 2), ("a", 3)}
