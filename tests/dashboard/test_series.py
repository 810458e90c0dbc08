"""What is read of the embedded store for charts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.dashboard.catalogue import Catalogue, UnknownStore
from importer.dashboard.series import MAX_CURVES, MAX_POINTS, SeriesReader
from importer.errors import SinkRefused
from tests.dashboard.state import State


def only_curve(state: State, name: str, **window: float) -> list[tuple[float, float]]:
    with SeriesReader(state.store) as reader:
        (curve,), left_out = reader.curves(name, **window)
    assert left_out == 0
    return list(curve.points)


def test_few_points_come_as_they_are(state: State) -> None:
    points = [(float(at), at % 7) for at in range(MAX_POINTS)]
    state.write("a", points)
    assert only_curve(state, "a") == points


def test_a_window_is_half_open(state: State) -> None:
    state.write("a", [(10, 1), (20, 2), (30, 3)])
    assert only_curve(state, "a", start=10, end=30) == [(10, 1), (20, 2)]


def test_hundreds_of_thousands_of_points_come_as_a_chart_needs_them(state: State) -> None:
    """The lone peak and the lone dip are among them, and so are both ends."""
    total = 300_000
    values = {123_456: 9_999, 234_567: -9_999}
    state.write("a", ((at, values.get(at, at % 10)) for at in range(total)))
    with SeriesReader(state.store) as reader:
        (curve,), _ = reader.curves("a")
    assert curve.total == total
    assert len(curve.points) <= MAX_POINTS
    assert {(123_456, 9_999), (234_567, -9_999)} <= set(curve.points)
    assert (curve.points[0][0], curve.points[-1][0]) == (0, total - 1)


@given(
    points=st.dictionaries(st.integers(0, 10**10), st.floats(-1e12, 1e12), min_size=1, max_size=60),
    repeat=st.integers(1, 40),
)
def test_a_reduced_curve_is_made_of_its_own_points_and_keeps_both_extremes(
    points: dict[int, float], repeat: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = State(tmp_path_factory.mktemp("state"))
    shift = 2 * 10**10
    written = {at / 3 + number * shift: value for number in range(repeat) for at, value in points.items()}
    state.write("a", written.items())
    found = only_curve(state, "a")
    assert found == sorted(found, key=lambda point: point[0])
    assert set(found) <= set(written.items())
    assert len(found) <= MAX_POINTS
    values = [value for _, value in found]
    assert (min(values), max(values)) == (min(written.values()), max(written.values()))


def test_of_very_many_label_sets_some_come_and_the_rest_is_counted(state: State) -> None:
    for number in range(MAX_CURVES + 3):
        state.write("a", [(1, number)], (("host", f"web{number:02}"),))
    with SeriesReader(state.store) as reader:
        curves, left_out = reader.curves("a")
    assert ([dict(curve.labels)["host"] for curve in curves], left_out) == (
        [f"web{n:02}" for n in range(MAX_CURVES)],
        3,
    )


def test_names_are_listed_once_whatever_their_labels(state: State) -> None:
    state.write("shop.requests", [(1, 1), (9, 5)], (("code", "200"),))
    state.write("shop.requests", [(1, 1), (8, 4)], (("code", "500"),))
    state.write("app.dau", [(1, 7)])
    with SeriesReader(state.store) as reader:
        assert reader.names() == [("app.dau", 1), ("shop.requests", 2)]
        newest = reader.newest("shop.requests")
    assert newest is not None
    assert (newest.timestamp, newest.value) == (9, 5)


def test_a_search_finds_all_words_in_any_order_and_capitals(state: State) -> None:
    for name in ("apps.Bike_Shop.live.crashes", "apps.Bike_Shop.daily.dau", "apps.Bazaar.live.crashes"):
        state.write(name, [(1, 1)])
    catalogue = Catalogue(lambda: [state.store])
    found = catalogue.search(["LIVE", "bike"], offset=0, limit=10)
    assert [metric.name for metric in found.metrics] == ["apps.Bike_Shop.live.crashes"]


def test_a_search_gives_a_part_and_tells_the_whole(state: State) -> None:
    for number in range(7):
        state.write(f"a{number}", [(1, 1)])
    found = Catalogue(lambda: [state.store]).search([], offset=2, limit=3)
    assert (found.total, [metric.name for metric in found.metrics]) == (7, ["a2", "a3", "a4"])


def test_two_stores_are_searched_as_one_and_one_that_is_damaged_is_told(tmp_path: Path) -> None:
    states = [State(tmp_path / name) for name in ("one", "two")]
    for state in states:
        state.directory.mkdir()
        state.write("same", [(1, 1)])
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database, but longer than a header" * 10)
    found = Catalogue(lambda: [*(state.store for state in states), damaged]).search([], offset=0, limit=10)
    assert [(metric.name, metric.store) for metric in found.metrics] == [("same", state.store) for state in states]
    assert len(found.problems) == 1
    assert str(damaged) in found.problems[0]


def test_names_that_are_suggested_are_lively_and_unlike_each_other(state: State) -> None:
    for app in ("one", "two"):
        state.write(f"apps.{app}.live.loads", [(at, at * 3 % 7) for at in range(30)])
        state.write(f"apps.{app}.daily.dau", [(at, at) for at in range(20)])
        state.write(f"apps.{app}.daily.still", [(at, 5) for at in range(200)])
    names = [metric.name for metric in Catalogue(lambda: [state.store]).suggested()]
    assert names == ["apps.one.daily.dau", "apps.one.live.loads"]


def test_what_hardly_changes_is_suggested_where_there_is_nothing_else(state: State) -> None:
    state.write("only.one", [(1, 1)])
    assert [metric.name for metric in Catalogue(lambda: [state.store]).suggested()] == ["only.one"]


def test_no_other_file_than_our_stores_is_ever_opened(state: State, tmp_path: Path) -> None:
    state.write("a", [(1, 1)])
    other = tmp_path / "other.db"
    other.write_bytes(state.store.read_bytes())
    with pytest.raises(UnknownStore):
        Catalogue(lambda: [state.store]).curves(str(other), "a", start=0, end=9)


def test_reading_makes_no_store(state: State) -> None:
    with SeriesReader(state.store) as reader, pytest.raises(SinkRefused):
        reader.names()
    assert list(state.directory.iterdir()) == []
