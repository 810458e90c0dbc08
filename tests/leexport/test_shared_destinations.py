"""Searches that push to the same place: one sink for them all, which stays as long as its settings do."""

import socket
import urllib.request
from pathlib import Path

import pytest

from importer.leexport.config import Search
from importer.leexport.outlet import QueuedOutlet
from importer.leexport.run import sinks_of
from importer.sinks.base import Sink
from tests.leexport.answers import answer
from tests.leexport.running import serving
from tests.leexport.site import COUNT, Site
from tests.leexport.test_config import problems, read, reader, write

SQLITE = "service = sqlite\nmetric_name = {}"
INFLUXDB = "service = influxdb\nurl = http://127.0.0.1:1\ndatabase = d\nmetric_name = {}"
GRAPHITE = "service = graphite\nhost = 127.0.0.1\nport = 2003\nmetric_name = {}"


def sink_of(search: Search) -> Sink:
    assert isinstance(search.outlet, QueuedOutlet)
    return search.outlet.sink


@pytest.mark.parametrize(
    ("destination", "first", "second", "key"),
    [
        (SQLITE, "retention_days = 3", "", "retention_days"),
        (SQLITE, "", "retention_days = 3", "retention_days"),
        (SQLITE, "outbox_max_bytes = 1000", "outbox_max_bytes = 2000", "outbox_max_bytes"),
        (INFLUXDB, "token = hush-hush-1", "token = hush-hush-2", "token"),
        (INFLUXDB, "token = hush-hush-1", "", "token"),
        (INFLUXDB, "username = me\npassword = hush-hush-1", "username = me\npassword_file = key", "password"),
        (INFLUXDB, "", "timeout_seconds = 5", "timeout_seconds"),
        (INFLUXDB.replace("url = http://127.0.0.1:1\n", ""), "url = http://h", "url = https://h", "url"),
        ("service = prometheus\nport = 9\nmetric_name = {}", "expire_seconds = 5", "", "expire_seconds"),
        ("service = file\nmetric_name = {}", "keep_files = 2", "keep_files = 3", "keep_files"),
    ],
)
def test_searches_that_do_not_agree_on_their_destination_are_told_with_the_key_and_never_its_value(
    tmp_path: Path, destination: str, first: str, second: str, key: str
) -> None:
    (tmp_path / "key").write_text("hush-hush-2")
    path = write(tmp_path, f"{destination.format('a')}\n{first}", f"{destination.format('b')}\n{second}")
    (told,) = problems(path)
    assert told == (
        f"[Searches] [[s1]] {key}: differs from that of [[s0]], which pushes to the same place: give both the same"
    )
    assert [search.name for search in read(path).searches] == ["s0"]


@pytest.mark.parametrize(
    ("destination", "first", "second"),
    [
        (SQLITE, "", "path = metrics.db"),
        (SQLITE, "group_label = status", "for_me = 1"),
        (SQLITE, "retention_days = 3", "retention_days = 3.0"),
        (INFLUXDB, "max_buffer = 10", ""),
        (INFLUXDB.replace("url = http://127.0.0.1:1\n", ""), "url = http://h/", "url = http://h"),
        (INFLUXDB, "username = me\npassword = hush-hush-2", "username = me\npassword_file = key"),
        (GRAPHITE, "prefix = acme\nmax_buffer = 3", "protocol = plain"),
    ],
)
def test_searches_may_differ_in_what_does_not_matter_to_delivering(
    tmp_path: Path, destination: str, first: str, second: str
) -> None:
    (tmp_path / "key").write_text("hush-hush-2")
    path = write(tmp_path, f"{destination.format('a')}\n{first}", f"{destination.format('b')}\n{second}")
    assert problems(path) == []
    searches = read(path).searches
    assert sink_of(searches[0]) is sink_of(searches[1])
    assert len(sinks_of(searches)) == 1


def test_each_search_names_its_points_by_its_own_keys(tmp_path: Path) -> None:
    path = write(tmp_path, f"{GRAPHITE.format('a')}\nprefix = acme\nsystem_name = h", GRAPHITE.format("b"))
    for search, name in zip(read(path).searches, (b"acme.h.a ", b"b "), strict=True):
        assert isinstance(search.outlet, QueuedOutlet)
        assert search.outlet.encode(answer("timeseries"))[0].data.startswith(name)


def test_a_sink_stays_when_one_of_its_searches_is_changed_added_or_removed(tmp_path: Path) -> None:
    path = write(tmp_path, SQLITE.format("a"), SQLITE.format("b"))
    again = reader(path)
    sink = sink_of(again.read().searches[0])
    path.write_text(path.read_text().replace("query_period = 60", "query_period = 61", 1))
    changed = again.read().searches
    assert [search.period_seconds for search in changed] == [61, 60]
    write(tmp_path, SQLITE.format("a"), SQLITE.format("b"), SQLITE.format("c"))
    added = again.read().searches
    path.write_text(path.read_text().replace("[[s0]]", "[[gone]]").replace("service = sqlite", "service = dummy", 1))
    removed = again.read().searches
    assert {sink_of(search) for search in (*changed, *added, *removed[1:])} == {sink}


def test_a_sink_is_another_once_its_settings_are(tmp_path: Path) -> None:
    path = write(tmp_path, f"{INFLUXDB.format('a')}\nusername = me\npassword_file = key")
    (tmp_path / "key").write_text("hush-hush-1")
    again = reader(path)
    (first,) = again.read().searches
    assert again.read().searches[0] is first
    (tmp_path / "key").write_text("hush-hush-2")
    (second,) = again.read().searches
    assert sink_of(second) is not sink_of(first)


def test_a_lane_of_ones_own_gets_another_sink_with_each_change(tmp_path: Path) -> None:
    path = write(tmp_path, "service = hosted_graphite\nmetric_name = a\npush_url = tcp://127.0.0.1:1")
    again = reader(path)
    (first,) = again.read().searches
    path.write_text(path.read_text().replace("127.0.0.1:1", "127.0.0.1:2"))
    (second,) = again.read().searches
    assert sink_of(second).lane == sink_of(first).lane
    assert sink_of(second) is not sink_of(first)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_port_stays_open_when_a_search_that_uses_it_is_edited(site: Site) -> None:
    destination = {"service": "prometheus", "port": unused_port(), "metric_name": "before"}
    site.search("figures", destination)
    site.api.answers[COUNT] = answer("timeseries")
    with serving(site) as service:
        service.wait_for_line("metrics sent")
        site.search("figures", destination | {"metric_name": "after"})
        site.write()
        service.reload()
        service.wait_for_line("metrics sent", 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{destination['port']}/metrics") as page:
            names = {line.split(" ")[0] for line in page.read().decode().splitlines()}
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])
    assert {"before", "after"} <= names
    assert len([line for line in ended.stdout if "serving samples" in line]) == 1
