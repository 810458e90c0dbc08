"""The simulated InfluxDB: what it says to clients that are not our sink, or do what our sink never does."""

import gzip
import subprocess
import sys

import pytest
import requests

from importer.simulators.influxdb import PASSWORD, USERNAME, InfluxdbSimulator
from importer.simulators.influxdb_lines import parse_line
from tests.simulators.http_clients import TIMEOUT_SECONDS


def post(
    session: requests.Session, simulator: InfluxdbSimulator, path: str, data: str | bytes = b"", **headers: str
) -> requests.Response:
    return session.post(simulator.url + path, data=data, headers=headers, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("m", "missing fields"),
        ("m ", "invalid field format"),
        ("m value", "invalid field format"),
        ("m value=", "invalid field format"),
        ("m value=1 1 1", "invalid field format"),
        ("m value=1 soon", "invalid field format"),
        ('m value="open 1', "invalid field format"),
        ("m value=one 1", "invalid number"),
        ("m value=1e 1", "invalid number"),
        ("m,a= value=1 1", "invalid tag format"),
        ("m,=a value=1 1", "invalid tag format"),
        ("m,a=b\\ value=1 1", "invalid tag format"),
        ("m,a=b\\,c=d value=1 1", "invalid tag format"),
        ("m,a=1,a=2 value=1 1", "duplicate tags"),
    ],
)
def test_a_broken_line_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_line(text)


def test_a_backslash_escapes_only_what_is_special() -> None:
    assert parse_line(r"a\b\,\=,k\e\=y=C:\x\\\ y value=1").tags == ((r"k\e=y", "C:\\x\\\\ y"),)
    assert parse_line(r"a\b\,\= value=1").measurement == r"a\b,\="


def test_empty_lines_and_comments_are_no_lines(session: requests.Session) -> None:
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        assert post(session, simulator, "/write?db=shop", "\n  \n# m value=1 1\n").status_code == 204
        assert simulator.points == ()


@pytest.mark.parametrize(("precision", "nanoseconds"), [("", 1), ("&precision=ms", 10**6), ("&precision=s", 10**9)])
def test_times_are_in_the_precision_that_is_named(session: requests.Session, precision: str, nanoseconds: int) -> None:
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        post(session, simulator, f"/write?db=shop{precision}", "m value=1 7")
        assert simulator.points[0].nanoseconds == 7 * nanoseconds


def test_points_of_one_series_and_time_are_one(session: requests.Session) -> None:
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        post(session, simulator, "/write?db=shop", "m,b=1,a=2 x=1,y=2 7\nm,a=2,b=1 y=3 7")
        (point,) = simulator.wait_for_points(1)
        assert (point.tags, point.fields) == ((("a", "2"), ("b", "1")), {"x": 1.0, "y": 3.0})


@pytest.mark.parametrize(
    ("version", "query", "status", "stored"),
    [
        ("1.6.7", "/write?db=shop", 400, 2),
        ("2.7.12", "/api/v2/write?bucket=shop&org=acme", 400, 0),
        ("3.8.0", "/api/v2/write?bucket=shop", 400, 2),
    ],
)
def test_a_broken_line_costs_the_others_only_in_2(
    session: requests.Session, version: str, query: str, status: int, stored: int
) -> None:
    with InfluxdbSimulator(version=version, databases=("shop",)) as simulator:
        assert post(session, simulator, query, "m value=1 1\nbroken\nm value=3 3").status_code == status
        assert len(simulator.points) == stored


def test_what_is_not_what_its_header_says_is_refused(session: requests.Session) -> None:
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        whole = gzip.compress(b"m value=1 1")
        for body in (b"m value=1 1", whole[:-9]):
            answer = post(session, simulator, "/write?db=shop", body, **{"Content-Encoding": "gzip"})
            assert answer.status_code == 400
        assert simulator.points == ()


def test_points_beyond_the_retention_policy_are_dropped(session: requests.Session) -> None:
    with InfluxdbSimulator(databases=("shop",)) as simulator:
        simulator.earliest_nanoseconds = 5
        answer = post(session, simulator, "/write?db=shop", "m value=1 4\nm value=2 5")
        assert answer.json() == {"error": "partial write: points beyond retention policy dropped=1"}
        assert [point.nanoseconds for point in simulator.points] == [5]


@pytest.mark.parametrize(("version", "dropped"), [("1.6.7", 1), ("3.8.0", 2)])
def test_tags_that_a_generation_cannot_have_are_refused(session: requests.Session, version: str, dropped: int) -> None:
    with InfluxdbSimulator(version=version, databases=("shop",)) as simulator:
        answer = post(session, simulator, "/write?db=shop", "m,time=noon value=1 1\nm,value=high value=2 2")
        assert answer.status_code == 400
        assert len(simulator.points) == 2 - dropped


@pytest.mark.parametrize(
    ("version", "path", "known"),
    [
        ("1.6.7", "/api/v2/write", False),
        ("1.6.7", "/health", False),
        ("2.7.12", "/write", False),
        ("2.7.12", "/health", True),
        ("3.8.0", "/health", True),
        ("3.8.0", "/query", False),
    ],
)
def test_each_generation_has_its_own_paths(session: requests.Session, version: str, path: str, *, known: bool) -> None:
    with InfluxdbSimulator(version=version) as simulator:
        answer = session.get(simulator.url + path, timeout=TIMEOUT_SECONDS)
        assert (answer.status_code != 404) == known


def test_only_3_asks_for_a_token_before_it_tells_its_version(session: requests.Session) -> None:
    for version, status in (("1.6.7", 204), ("2.7.12", 204), ("3.8.0", 401)):
        with InfluxdbSimulator(version=version, with_login=True) as simulator:
            assert session.get(f"{simulator.url}/ping", timeout=TIMEOUT_SECONDS).status_code == status


def test_statements_need_the_login_too(session: requests.Session) -> None:
    with InfluxdbSimulator(with_login=True) as simulator:
        question = {"q": 'CREATE DATABASE "shop"'}
        url = f"{simulator.url}/query"
        assert session.post(url, data=question, timeout=TIMEOUT_SECONDS).status_code == 401
        assert simulator.databases == set()
        assert session.post(url, data=question, auth=(USERNAME, PASSWORD), timeout=TIMEOUT_SECONDS).json() == {
            "results": [{"statement_id": 0}]
        }
        assert simulator.databases == {"shop"}


def test_waiting_for_points_that_do_not_come_ends(session: requests.Session) -> None:
    with InfluxdbSimulator() as simulator, pytest.raises(TimeoutError, match="0 points in 0 s, not 1"):
        simulator.wait_for_points(1, timeout_seconds=0)


def test_as_a_process_it_plays_the_version_and_has_the_databases_that_it_is_told() -> None:
    command = [sys.executable, "-m", "importer.simulators.influxdb", "--version", "2.7.12", "--database", "shop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        query = "/api/v2/write?bucket=shop&org=acme"
        assert requests.post(url + query, data="m value=1 1", timeout=TIMEOUT_SECONDS).status_code == 204
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0
