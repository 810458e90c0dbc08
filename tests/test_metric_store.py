import math
import sqlite3
from multiprocessing import get_context
from pathlib import Path

import pytest

from importer.errors import SinkRefused, SinkUnavailable
from importer.metric_database import APPLICATION_ID, SCHEMA_VERSION
from importer.metric_store import MetricStore, MetricWriter, Row, SeriesSummary
from importer.points import Point


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "with ?#% in it.db"


def write(path: Path, *rows: Row) -> None:
    with MetricWriter(path) as writer:
        writer.write(rows)


def test_a_series_is_summed_up_over_all_its_points(path: Path) -> None:
    write(path, *[("a.b", '{"os":"ios"}', 60 * number, (number - 3) ** 2) for number in range(5)])
    with MetricStore(path) as store:
        (summary,) = store.series()
    assert summary == SeriesSummary(
        id=1,
        name="a.b",
        labels=(("os", "ios"),),
        points=5,
        first=0,
        last=240,
        last_value=1,
        minimum=0,
        maximum=9,
        mean=3.0,
    )


def test_a_time_bounds_the_summary_and_the_points_to_start_inclusive_and_end_exclusive(path: Path) -> None:
    write(path, *[("a", "{}", number, number * 10) for number in range(10)])
    with MetricStore(path) as store:
        (summary,) = store.series(start=3, end=6)
        assert (summary.points, summary.first, summary.last, summary.last_value) == (3, 3, 5, 50)
        assert list(store.points(summary, start=3, end=6)) == [
            Point(("a",), number * 10, number) for number in (3, 4, 5)
        ]
        assert store.series(start=10) == []


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["a.b.dau", "a.c.dau", "a.c.mau"]),
        ("*.dau", ["a.b.dau", "a.c.dau"]),
        ("a.?.mau", ["a.c.mau"]),
        ("a.[!b].*", ["a.c.dau", "a.c.mau"]),
        ("A*", []),
        ("a.b.dau", ["a.b.dau"]),
    ],
)
def test_series_are_found_by_a_shell_pattern_in_the_order_of_their_names(
    path: Path, pattern: str, names: list[str]
) -> None:
    write(path, *[(name, "{}", 1, 1) for name in ("a.c.mau", "a.b.dau", "a.c.dau")])
    with MetricStore(path) as store:
        assert [series.name for series in store.series(pattern)] == names


def test_points_come_in_the_order_of_time_with_the_elements_of_the_name_as_path(path: Path) -> None:
    write(path, ("a.b", '{"os":"ios"}', 9, 1), ("a.b", '{"os":"ios"}', 4.5, 2), ("a.b", "{}", 1, 3))
    with MetricStore(path) as store:
        _, labelled = store.series()
        points = list(store.points(labelled))
    assert points == [
        Point(("a", "b"), 2, 4.5, (("os", "ios"),)),
        Point(("a", "b"), 1, 9, (("os", "ios"),)),
    ]


@pytest.mark.parametrize("value", [48213, 48213.0, 0.1, 1e300, 5e-324, 2**63 - 1, -(2**63), 2**53 + 1])
def test_a_value_keeps_its_digits_and_its_kind(path: Path, value: float) -> None:
    write(path, ("a", "{}", 1, value))
    with MetricStore(path) as store:
        (point,) = store.points(store.series()[0])
    assert (type(point.value), point.value) == (type(value), value)


def test_an_integer_of_more_than_64_bits_becomes_a_float(path: Path) -> None:
    write(path, ("a", "{}", 1, 2**63), ("a", "{}", 2, -(10**300)))
    with MetricStore(path) as store:
        assert [point.value for point in store.points(store.series()[0])] == [2.0**63, -1e300]


def test_old_points_are_pruned_and_counted(path: Path) -> None:
    with MetricWriter(path) as writer:
        writer.write([(name, "{}", number, 1) for name in "ab" for number in range(10)])
        assert writer.prune(7) == 14
        assert writer.prune(7) == 0
    with MetricStore(path) as store:
        assert [(series.points, series.first) for series in store.series()] == [(3, 7), (3, 7)]


def test_pruning_seeks_each_series_rather_than_looking_at_every_point(path: Path) -> None:
    with MetricWriter(path) as writer, writer._access() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN DELETE FROM points WHERE series_id IN (SELECT id FROM series) AND timestamp < 5"
        ).fetchall()
    assert any("SEARCH points USING PRIMARY KEY (series_id=? AND timestamp<?)" in row[3] for row in plan)


def test_a_reader_sees_what_was_written_while_the_writer_stays_open(path: Path) -> None:
    with MetricWriter(path) as writer, MetricStore(path) as store:
        writer.write([("a", "{}", 1, 1)])
        assert len(store.series()) == 1
        writer.write([("b", "{}", 1, 1)])
        assert len(store.series()) == 2


def test_a_reader_makes_no_file(path: Path) -> None:
    with MetricStore(path) as store, pytest.raises(SinkRefused, match="does it exist"):
        store.series()
    assert not path.exists()


def test_a_reader_cannot_write(path: Path) -> None:
    write(path, ("a", "{}", 1, 1))
    with MetricStore(path) as store, pytest.raises(SinkRefused), store._access() as connection:
        connection.execute("DELETE FROM points")


def test_a_blank_file_becomes_a_store_but_cannot_be_read(path: Path) -> None:
    path.touch()
    with MetricStore(path) as store, pytest.raises(SinkRefused, match="blank"):
        store.series()
    write(path, ("a", "{}", 1, 1))
    with MetricStore(path) as store:
        assert len(store.series()) == 1


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name is\n" * 100)


def make_foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE addresses (street)")
    connection.close()


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


def make_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (damage, "not an SQLite database"),
        (make_foreign, "another program's database"),
        (make_newer, f"format {SCHEMA_VERSION + 1}"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name_and_left_as_it_is(path: Path, make: object, complaint: str) -> None:
    assert callable(make)
    make(path)
    before = path.read_bytes()
    with pytest.raises(SinkRefused, match=complaint) as caught:
        write(path, ("a", "{}", 1, 1))
    assert str(path) in str(caught.value)
    with MetricStore(path) as store, pytest.raises(SinkRefused, match=complaint):
        store.series()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_page_is_refused_by_the_name_of_the_file(path: Path) -> None:
    write(path, *[(f"series.{number}", "{}", 1, number) for number in range(2000)])
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with MetricStore(path) as store, pytest.raises(SinkRefused, match="damaged") as caught:
        store.series()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("place", ["gone/metrics.db", "a-file/metrics.db", "."])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(SinkRefused):
        write(tmp_path / place, ("a", "{}", 1, 1))


def test_a_full_disk_is_unavailable_and_keeps_nothing_of_that_write(path: Path) -> None:
    with MetricWriter(path) as writer:
        writer.write([("a", "{}", 1, 1)])
        with writer._access() as connection:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the pages in use
        with pytest.raises(SinkUnavailable, match="no space"):
            writer.write([(f"name.{number}" * 20, "{}", 1, 1) for number in range(1000)])
        writer.write([("b", "{}", 1, 1)])  # a new connection, where the bound is gone
    with MetricStore(path) as store:
        assert [series.name for series in store.series()] == ["a", "b"]


def test_an_error_in_the_rows_keeps_none_of_them(path: Path) -> None:
    with MetricWriter(path) as writer:
        with pytest.raises(ValueError, match="not enough values"):
            writer.write([("a", "{}", 1, 1), ("b",)])  # type: ignore[list-item]
        writer.write([("c", "{}", 1, 1)])
    with MetricStore(path) as store:
        assert [series.name for series in store.series()] == ["c"]


def write_many(path: Path, offset: int) -> None:
    with MetricWriter(path, busy_timeout_seconds=30) as writer:
        for number in range(20):
            writer.write([(f"shared.{series}", "{}", offset + number, math.pi) for series in range(5)])


def test_two_processes_writing_at_once_lose_nothing(path: Path) -> None:
    write(path)
    context = get_context("spawn")
    processes = [context.Process(target=write_many, args=(path, offset)) for offset in (0, 1000)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with MetricStore(path) as store:
        assert [series.points for series in store.series()] == [40] * 5
