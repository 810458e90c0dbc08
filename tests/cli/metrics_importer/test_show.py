"""metrics-importer show, on an embedded store that the sink has written."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.cli.metrics_importer.plot import HEIGHT, plot
from importer.points import Point
from importer.sinks.sqlite import SqliteSink
from tests.cli.metrics_importer.in_process import MetricsImporter
from tests.commands import Commands, Result

DAY = 86400


def fill(path: Path, *points: Point) -> None:
    sink = SqliteSink(path=path)
    for payload in sink.encode(points):
        sink.deliver(payload)
    sink.close()


def days(name: str, *values: float, first: int = 16923) -> list[Point]:
    return [Point(("shop", name), value, (first + number) * DAY) for number, value in enumerate(values)]


@pytest.fixture
def store(metrics_importer: MetricsImporter) -> MetricsImporter:
    """The command, with a store of three series in its state directory."""
    fill(
        metrics_importer.state / "metrics.db",
        *days("dau", 10, 30, 20),
        *days("rating", 4.123456789, 4.5),
        Point(("shop", "live"), 7, 1462262710),
    )
    return metrics_importer


def test_a_missing_store_is_told_with_the_place(metrics_importer: MetricsImporter) -> None:
    outcome = metrics_importer.run("show", code=1)
    assert outcome.err.startswith("metrics-importer: there is no embedded store")
    assert str(metrics_importer.state / "metrics.db") in outcome.err
    assert list(metrics_importer.state.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"no database " * 100])
def test_a_file_that_is_no_store_is_one_line(
    metrics_importer: MetricsImporter, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    outcome = metrics_importer.run("show", "--path", path, code=1)
    assert str(path) in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_table_has_a_row_a_series(store: MetricsImporter) -> None:
    lines = store.run("show", "--no-plot").out.splitlines()
    assert lines[0].split() == ["NAME", "POINTS", "FIRST", "(UTC)", "LAST", "VALUE", "MIN", "MAX"]
    assert [line.split()[0] for line in lines[1:]] == ["shop.dau", "shop.live", "shop.rating"]


def test_daily_series_have_dates_alone_and_values_six_digits(store: MetricsImporter) -> None:
    out = store.run("show", "shop.[dr]a*", "--no-plot").out
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["shop.dau", "3", "2016-05-02", "2016-05-04", "20", "10", "30"],
        ["shop.rating", "2", "2016-05-02", "2016-05-03", "4.5", "4.12346", "4.5"],
    ]


def test_the_last_time_of_the_same_day_is_a_time_of_day(store: MetricsImporter) -> None:
    fill(store.state / "metrics.db", Point(("shop", "live"), 9, 1462262720))
    row = store.run("show", "shop.live", "--no-plot").out.splitlines()[1]
    assert row.split() == ["shop.live", "2", "2016-05-03", "08:05:10", "08:05:20", "9", "7", "9"]


def test_labels_have_a_column_where_there_are_any(store: MetricsImporter) -> None:
    fill(store.state / "metrics.db", Point(("up",), 1, 60, (("host", "web.1"), ("zone", "eu"))))
    header, *rows = store.run("show", "--no-plot").out.splitlines()
    assert "LABELS" in header
    assert "host=web.1,zone=eu" in rows[-1]
    assert " - " in rows[0]


def test_only_the_time_that_was_asked_for_is_looked_at(store: MetricsImporter) -> None:
    out = store.run("show", "--last", "1d").out
    assert out == f"{store.state / 'metrics.db'}: no series matches '*' in that time\n"
    assert "shop.dau" in store.run("show", "--last", "999999w").out


def test_a_pattern_that_fits_nothing_says_so(store: MetricsImporter) -> None:
    assert "no series matches 'x*'" in store.run("show", "x*").out


def test_more_series_than_the_limit_are_counted(store: MetricsImporter) -> None:
    out = store.run("show", "--limit", "1", "--no-plot").out
    assert len(out.splitlines()) == 3
    assert "and 2 more" in out


def test_few_series_are_plotted_unless_told_not_to(store: MetricsImporter) -> None:
    assert "┤" in store.run("show", "shop.dau").out
    assert "┤" not in store.run("show", "shop.dau", "--no-plot").out


def test_many_series_are_plotted_on_request(store: MetricsImporter) -> None:
    fill(store.state / "metrics.db", *(point for number in range(5) for point in days(f"m{number}", 1, 2)))
    assert "┤" not in store.run("show", "shop.m*").out
    plotted = store.run("show", "shop.m*", "--plot").out
    assert all(plotted.count(f"shop.m{number}") == 2 for number in range(5))


def test_no_more_plots_are_drawn_than_anybody_reads(store: MetricsImporter) -> None:
    fill(store.state / "metrics.db", *(point for number in range(22) for point in days(f"m{number}", 1, 2)))
    out = store.run("show", "shop.m*", "--plot").out
    assert out.count("2016-05-02") == 22 + 20
    assert out.endswith("\n... and 2 more are not plotted\n")


def test_a_series_of_one_point_has_no_plot(store: MetricsImporter) -> None:
    assert "┤" not in store.run("show", "shop.live").out


def test_json_has_the_documented_keys_and_all_digits(store: MetricsImporter) -> None:
    (series,) = json.loads(store.run("show", "shop.rating", "--json").out)["series"]
    assert series == {
        "store": str(store.state / "metrics.db"),
        "name": "shop.rating",
        "labels": {},
        "points": 2,
        "first": "2016-05-02T00:00:00Z",
        "last": "2016-05-03T00:00:00Z",
        "last_value": 4.5,
        "minimum": 4.123456789,
        "maximum": 4.5,
        "mean": pytest.approx(4.3117283945),
    }
    documented = store.run("show", "--help").out
    assert all(key in documented for key in series)


def test_json_of_nothing_is_an_object_too(store: MetricsImporter) -> None:
    assert json.loads(store.run("show", "x", "--json").out) == {"series": []}


@pytest.mark.parametrize(
    "arguments",
    [("--last", "1y"), ("--last", "-1d"), ("--last", ""), ("--limit", "0"), ("--limit", "x"), ("--json", "--plot")],
)
def test_a_wrong_command_line_is_one_line(store: MetricsImporter, arguments: tuple[str, ...]) -> None:
    assert store.run("show", *arguments, code=2).err.count("\n") == 1


def test_a_terminal_without_box_characters_gets_plain_ascii(
    commands: Commands, run_command: Callable[..., Result]
) -> None:
    fill(commands.state_dir / "metrics.db", *days("Käse", 1, 2, 1))
    result = run_command("metrics-importer", "show", env={"PYTHONIOENCODING": "ascii", "COLUMNS": "60"})
    assert result.code == 0
    assert result.stdout.isascii()
    assert "shop.K\\xe4se" in result.stdout
    assert "*" in result.stdout
    assert all(len(line) <= 60 for line in result.stdout.splitlines()[3:])


def series(*values: float) -> list[tuple[float, float]]:
    return [(number * 10.0, value) for number, value in enumerate(values)]


def utf8() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_plot_fits_its_width_and_has_no_colours(width: int) -> None:
    with utf8() as stream:
        drawn = plot("shop.dau", series(1, 5, 3, 8), stream=stream, width=width)
    lines = drawn.splitlines()
    assert len(lines) == HEIGHT
    assert max(map(len, lines)) <= width
    assert "\x1b" not in drawn


def test_a_tiny_terminal_gets_a_tiny_plot() -> None:
    with utf8() as stream:
        assert max(map(len, plot("shop.dau", series(1, 5), stream=stream, width=15).splitlines())) <= 15


def test_a_plot_names_its_extremes_and_its_times() -> None:
    with utf8() as stream:
        drawn = plot("shop.dau", [(day * DAY, value) for day, value in enumerate((3, 12345678, 5))], stream=stream)
    assert "12345678┤" in drawn
    assert "3┤" in drawn
    assert drawn.splitlines()[-1].split() == ["1970-01-01", "1970-01-02", "1970-01-03"]


def test_a_flat_series_is_drawn() -> None:
    with utf8() as stream:
        assert "7┤" in plot("flat", series(7, 7, 7), stream=stream)


def test_a_second_plot_has_nothing_of_the_first() -> None:
    with utf8() as stream:
        first = plot("a", series(1, 2), stream=stream)
        plot("b", series(500, 700), stream=stream)
        assert plot("a", series(1, 2), stream=stream) == first


def test_the_extremes_of_a_long_series_are_kept() -> None:
    values = [0.0] * 50_000
    values[33_333] = 99.0
    with utf8() as stream:
        assert "99┤" in plot("long", series(*values), stream=stream)
