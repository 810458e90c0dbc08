"""searches.d: searches file by file, beside config.ini."""

import signal
from pathlib import Path

import pytest

from importer.stores import write_private
from tests.leexport.running import started
from tests.leexport.site import Site
from tests.leexport.test_config import LE, NUMBER, SEARCH, SERVICES, fatal, problems, read, write

ONE = "where(one) calculate(count)"
TWO = "where(two) calculate(count)"


def put(config: Path, name: str, *searches: str, head: str = "[Searches]\n") -> Path:
    """Write a drop-in, whole or not at all, and return its path."""
    folder = config.with_name("searches.d")
    folder.mkdir(exist_ok=True)
    write_private(folder / name, head + "".join(SEARCH.format(name=each, destination=NUMBER) for each in searches))
    return folder / name


def test_searches_of_drop_ins_come_after_those_of_the_file_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    put(path, "20.ini", "c", "d")
    put(path, "10.ini", "b")
    put(path, "30.ini~", "e")
    assert [search.name for search in read(path).searches] == ["s0", "b", "c", "d"]


@pytest.mark.parametrize("head", [LE + SERVICES, f"{LE}{SERVICES}[Searches]\n"])
def test_the_file_itself_need_have_no_search(tmp_path: Path, head: str) -> None:
    path = tmp_path / "config.ini"
    path.write_text(head)
    put(path, "10.ini", "b")
    assert [search.name for search in read(path).searches] == ["b"]


def test_an_empty_directory_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.ini"
    path.write_text(LE)
    (tmp_path / "searches.d").mkdir()
    assert fatal(path) == "FILE: [Searches]: is missing: the file needs this section"


def test_a_search_that_is_named_twice_is_told_with_both_places(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    first, second = put(path, "10.ini", "s0", "b"), put(path, "20.ini", "b")
    assert fatal(path).split("; ") == [
        f"{first}: [Searches] [[s0]]: is in FILE, too",
        "give one of them another name",
        f"{second}: [Searches] [[b]]: is in {first}, too",
        "give one of them another name",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[Searches]\n", ": [Searches]: holds no search: each is a [[section]] in it"),
        ("", ": [Searches]: holds no search: each is a [[section]] in it"),
        ("[Searches\n", ":1: is neither [section] nor key = value"),
        ("[Searches]\n[[[query]]]\n", ":2: section brackets do not match the section above"),
    ],
)
def test_a_drop_in_that_is_of_no_use_stops_all(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, NUMBER)
    drop_in = put(path, "10.ini", head=text)
    assert fatal(path).startswith(f"{drop_in}{told}")


def test_a_drop_in_holds_nothing_but_searches(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    drop_in = put(path, "10.ini", "b", head=f"services_dir = x\n{LE}[Searches]\n")
    told = "is not for this file, which holds [Searches] alone"
    assert fatal(path).split("; ") == [f"{drop_in}: services_dir: {told}", f"{drop_in}: [LE]: {told}"]


def test_a_wrong_search_of_a_drop_in_is_left_out_and_told_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    drop_in = put(path, "10.ini", "b")
    drop_in.write_text(drop_in.read_text().replace("query_period = 60", "query_period = soon"))
    assert [search.name for search in read(path).searches] == ["s0"]
    assert problems(path) == [f'{drop_in}: [Searches] [[b]] query_period: "soon" is not a whole number of 1 or more']


def drop_in(site: Site, name: str) -> Path:
    """Move the site's searches into a drop-in, as an editor or puppet writes it."""
    folder = site.config.with_name("searches.d")
    folder.mkdir(exist_ok=True)
    write_private(folder / name, "[Searches]\n" + "".join(site.searches.values()))
    site.searches.clear()
    return folder / name


def test_once_asks_for_searches_of_drop_ins(site: Site) -> None:
    site.line("one", statement=ONE)
    drop_in(site, "one.ini")
    site.line("two", statement=TWO)
    result = site.once()
    assert result.code == 0, result.stderr
    assert sorted(site.asked()) == [ONE, TWO]
    assert set(site.geckoboard.widgets) == {"one", "two"}


def test_a_name_that_is_there_twice_ends_a_start_with_a_configuration_error(site: Site) -> None:
    site.line("one", statement=ONE)
    path = drop_in(site, "one.ini")
    site.line("one", statement=TWO)
    result = site.once()
    assert result.code == 78
    assert f"{path}: [Searches] [[one]]: is in {site.config}, too; give one of them another name" in result.stderr
    assert site.asked() == []


def test_drop_ins_that_come_change_and_go_are_noticed_without_a_signal(site: Site) -> None:
    site.line("one", statement=ONE)
    site.write()
    site.searches.clear()
    with started(site) as service:
        site.geckoboard.wait_for_widget("one")
        site.line("two", statement=TWO)
        path = drop_in(site, "two.ini")
        site.geckoboard.wait_for_widget("two")
        site.line("three", statement=TWO)
        drop_in(site, "two.ini")
        site.geckoboard.wait_for_widget("three")
        service.wait_for_line("configuration read again: searches=2", 2)
        path.unlink()
        service.wait_for_line("configuration read again: searches=1")
        assert service.stop(signal.SIGTERM).code == 0


def test_a_drop_in_that_has_become_wrong_is_told_and_all_goes_on(site: Site) -> None:
    site.line("one", statement=ONE, period=1)
    path = drop_in(site, "one.ini")
    site.write()
    with started(site) as service:
        site.geckoboard.wait_for_widget("one")
        write_private(path, "[Searches\n")
        service.reload(f"not read again, the old one goes on: {path}:1: ")
        site.geckoboard.wait_for_widget("one", len(site.geckoboard.widgets["one"]) + 1)
        service.stop()
