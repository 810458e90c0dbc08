"""What the keys of a destination make of InfluxdbSink, and how mistakes in them are told."""

import json
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.points import Point
from importer.simulators.influxdb import PASSWORD, TOKEN, USERNAME, InfluxdbSimulator
from importer.sinks.influxdb import InfluxdbSink
from importer.sinks.influxdb_target import Login, Token

POINT = Point(("m",), 1.5, 60)
URL = {"url": "http://influx.example:8086"}
PLACE = {**URL, "database": "shop"}


def read(tmp_path: Path, **keys: object) -> tuple[InfluxdbSink, list[str]]:
    """Return the sink that keys describe, and what is wrong with them."""
    reader = ObjectReader(tmp_path / "graphite.json", keys)
    sink = InfluxdbSink.from_keys(reader, state=tmp_path)
    reader.refuse_unknown()
    return sink, [f"{problem.key}: {problem.what}" for problem in reader.problems]


def test_keys_describe_a_database_of_1(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with InfluxdbSimulator(databases=("shop",), with_login=True) as simulator:
        simulator.retention_policies.add("year")
        sink, problems = read(
            tmp_path,
            url=simulator.url,
            database="shop",
            retention_policy="year",
            username=USERNAME,
            password_file="password",
            max_buffer="2",
            timeout_seconds=5,
        )
        assert problems == []
        payloads = sink.encode([POINT] * 3)
        assert [payload.points for payload in payloads] == [2, 1]
        sink.deliver(payloads[0])
        assert simulator.requests[0].query["rp"] == "year"
        assert [point.fields for point in simulator.points] == [{"value": 1.5}]


def test_keys_describe_a_bucket_of_2(tmp_path: Path) -> None:
    with InfluxdbSimulator(version="2.7.12", databases=("shop",), with_login=True) as simulator:
        sink, problems = read(tmp_path, url=simulator.url, bucket="shop", org="acme", token=TOKEN)
        assert problems == []
        for payload in sink.encode([POINT]):
            sink.deliver(payload)
        assert [point.fields for point in simulator.points] == [{"value": 1.5}]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"database": "shop"}, "url: is missing; text is expected"),
        ({**PLACE, "url": "udp://influx.example"}, "url: only http:// and https:// addresses can be used"),
        ({**PLACE, "url": "http://me:secret@influx"}, "url: an address must not hold a user name or password"),
        (URL, "database: give either database (InfluxDB 1.x) or bucket (2.x and later)"),
        ({**PLACE, "bucket": "shop"}, "database: give either database (InfluxDB 1.x) or bucket (2.x and later)"),
        ({**PLACE, "org": "acme"}, "org: goes with bucket"),
        (
            {**URL, "bucket": "b", "retention_policy": "year"},
            "retention_policy: goes with database; a bucket has its own",
        ),
        ({**URL, "database": "a\nb"}, "database: is empty, or holds control characters"),
        ({**PLACE, "retention_policy": "\t"}, "retention_policy: is empty, or holds control characters"),
        ({**URL, "bucket": "b", "org": "\x7f"}, "org: is empty, or holds control characters"),
        ({**URL, "bucket": "\ud800"}, "bucket: is empty, or holds control characters"),
        ({**PLACE, "username": "me"}, "username: goes with password, and password with username"),
        ({**PLACE, "password": "secret"}, "username: goes with password, and password with username"),
        (
            {**PLACE, "username": "me", "password": "secret", "token": "secret"},
            "token: is given, and username too: keep one of them",
        ),
        (
            {**PLACE, "username": "a:b", "password": "secret"},
            "username: holds a colon",
        ),
        ({**PLACE, "username": "me", "password": "sec\nret"}, "password: holds control characters"),
        ({**PLACE, "token": "sec ret"}, "token: is empty, or holds blanks or signs that are not ASCII"),
        ({**PLACE, "token": "sécret"}, "token: is empty, or holds blanks or signs that are not ASCII"),
        ({**PLACE, "max_buffer": 0}, "max_buffer: 0 is not a whole number of 1 or more"),
        ({**PLACE, "timeout_seconds": 0}, "timeout_seconds: 0 is not a number of 1 or more"),
        ({**PLACE, "db": "shop"}, "db: improper key"),
    ],
)
def test_a_mistake_in_the_keys_is_told_once_without_secrets(
    keys: dict[str, object], problem: str, tmp_path: Path
) -> None:
    _, problems = read(tmp_path, **json.loads(json.dumps(keys)))
    assert problems == [problem]
    assert "secret" not in problem


@pytest.mark.parametrize("key", ["password", "token"])
def test_a_secret_file_that_is_missing_is_told_once(key: str, tmp_path: Path) -> None:
    others = {"username": "me"} if key == "password" else {}
    _, problems = read(tmp_path, **PLACE, **others, **{f"{key}_file": "none"})
    assert len(problems) == 1
    assert problems[0].startswith(f"{key}_file: ")


def test_credentials_do_not_show_secrets() -> None:
    assert "sesame" not in repr(Login(USERNAME, Secret(PASSWORD)))
    assert TOKEN not in repr(Token(Secret(TOKEN)))
