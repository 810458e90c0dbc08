"""Whatever is in the configuration files and in the vendor's answers: one clear line, the right exit code, no secret.

What one app's answer is worth never depends on another's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from importer.cli.apteligent import plans as apteligent_plans
from importer.simulators.apteligent import CLIENT_ID, PASSWORD
from importer.simulators.base import BROKEN_JSON, HTML_PAGE, Answer, Fault, cut_off, deep_json, huge_body, reset
from tests.apteligent import BIKE, COMMANDS, DUTCH, INDIA, Site, account_keys, asked_for, unused_port
from tests.commands import ROOT, Result

READERS = {
    "apteligent.json": "livestats",
    "graphite.json": "livestats",
    "app.blacklist": "livestats",
    "app_timezones.json": "dailyjobs",
    "carrier.map": "groupedby",
    "services.whitelist": "servicestats",
}
"""Each file, and a command that reads it."""
JSON_FILES = [name for name in READERS if name.endswith(".json")]


def run_wrong(site: Site, file: str, content: object) -> str:
    """Run a command that reads a file with this content, and return the line about it, which has to be the only one."""
    path = site.write(file, content)
    return one_problem(site, site.call(READERS[file], "--once"), path)


def one_problem(site: Site, result: Result, path: Path) -> str:
    """Return what a command says is wrong with a file, having seen that it ended as it should."""
    command, _, line = result.stderr.partition(": ")
    assert (result.code, result.stdout) == (78, "")
    assert command in COMMANDS
    assert line.count("\n") == 1
    assert line.startswith(str(path))
    assert_no_secret(result.stderr)
    assert site.vendor.requests == ()
    return line.removeprefix(str(path)).strip()


def assert_no_secret(text: str) -> None:
    for secret in (PASSWORD, CLIENT_ID, "Bearer", "Traceback"):
        assert secret not in text


def assert_clean(site: Site, command: str, result: Result) -> None:
    """What a run said must be one line, and neither it nor the log may hold a secret or a traceback."""
    assert result.stderr.count("\n") == (1 if result.code else 0), result.stderr
    assert len(result.stderr) < 1200
    assert_no_secret(result.stderr)
    log = site.log(command)
    assert_no_secret(log)
    assert "a fault of its own" not in result.stderr
    token = Path(site.commands.environment["CACHE_DIR"]) / "token.json"
    if token.exists():
        assert json.loads(token.read_text())["access_token"] not in log


# Files as such


@pytest.mark.parametrize("file", READERS)
def test_a_file_that_is_missing_is_named(file: str, site: Site) -> None:
    path = site.commands.config_dir / file
    path.unlink()
    assert one_problem(site, site.run(READERS[file], "--once"), path) == ": does not exist"


@pytest.mark.parametrize("file", READERS)
def test_a_file_that_is_not_utf_8_is_named_with_the_line(file: str, site: Site) -> None:
    assert run_wrong(site, file, b"#\n{\n\xff\xfe") == ":3: is not UTF-8 text"


@pytest.mark.parametrize("file", READERS)
def test_a_directory_in_place_of_a_file_is_named(file: str, site: Site) -> None:
    path = site.commands.config_dir / file
    path.unlink()
    path.mkdir()
    assert one_problem(site, site.call(READERS[file], "--once"), path) == ": cannot be read: Is a directory"


@pytest.mark.parametrize("file", READERS)
def test_a_file_that_may_not_be_read_is_named(file: str, site: Site) -> None:
    path = site.commands.config_dir / file
    path.chmod(0)
    done = subprocess.run(
        [*without_privilege(), sys.executable, ROOT / "bin" / READERS[file], "--once"],
        env=site.commands.environment,
        cwd=site.commands.home,
        capture_output=True,
        text=True,
        check=False,
    )
    result = Result(done.returncode, done.stdout, done.stderr, 0.0)
    assert one_problem(site, result, path) == ": cannot be read: Permission denied"


def without_privilege() -> list[str]:
    """Return what to put before a command so that it may not read every file, as root may."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read every file, and there is no setpriv to take that right away")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}"]


@pytest.mark.parametrize("file", JSON_FILES)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ": is empty; JSON is expected"),
        ('{"a": 1,}', ":1: is not JSON: Expecting property name enclosed in double quotes (column 9)"),
        ('{\n  "a": "b"\n  "c": 1\n}', ":3: is not JSON: Expecting ',' delimiter (column 3)"),
        ("[" * 10**6, ": is nested too deeply"),
        ('{"a": 1, "a": 2}', ': gives the key "a" twice'),
        ('{"a": NaN}', ": holds NaN, which is not a finite number"),
    ],
)
def test_a_file_that_is_no_json_is_told_where(file: str, content: str, expected: str, site: Site) -> None:
    assert run_wrong(site, file, content) == expected


@pytest.mark.parametrize("file", JSON_FILES)
@pytest.mark.parametrize("content", ["null", "3", '"text"', "true"])
def test_a_file_that_holds_no_object_is_named(file: str, content: str, site: Site) -> None:
    assert "object" in run_wrong(site, file, content)


# apteligent.json


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("hostname", None, "hostname: is empty; text is expected"),
        ("hostname", "", "hostname: is empty; text is expected"),
        ("hostname", 5, "hostname: 5 is not text"),
        ("hostname", "not a host!", "hostname: not an address: a host name, or https://host:port"),
        ("hostname", "ftp://example.org", "hostname: only http:// and https:// addresses can be used"),
        ("hostname", "http://127.0.0.1:99999", "hostname: not an address: a host name, or https://host:port"),
        ("hostname", "https://me:pw@example.org", "hostname: an address must not hold a user name or password"),
        ("username", [], "username: a list is not text"),
        ("password", 12345678, "password: a number is not text"),
        ("password", None, "password: is empty; give it or password_file"),
        ("clientID", {"a": "b"}, "clientID: an object is not text"),
        ("metric_root", "", "metric_root: is empty; text is expected"),
        ("proxies", ["http://proxy"], "proxies: a list is not an object that holds text alone"),
        ("proxies", {"https": 1}, "proxies: an object is not an object that holds text alone"),
        ("proxies", {"https": "http://u:secret@[::1"}, "proxies.https: not the address of a proxy, such as "),
        ("proxies", {"https": "http://u:secret@:3128"}, "proxies.https: not the address of a proxy, such as "),
        ("proxies", {"https": "http://proxy:99999"}, "proxies.https: not the address of a proxy, such as "),
        ("clientId", "x", 'clientId: improper key; did you mean "clientID"?'),
        ("token", "x", "token: improper key"),
        ("password_file", "none", "password: is given, and password_file too: keep one of them"),
    ],
)
def test_a_wrong_account_is_told_by_key(key: str, value: object, expected: str, site: Site) -> None:
    line = run_wrong(site, "apteligent.json", {**account_keys(site.vendor.url), key: value})
    assert line.startswith(f": {expected}")
    assert "secret" not in line


@pytest.mark.parametrize("key", ["hostname", "username", "password", "clientID", "metric_root"])
def test_a_missing_key_of_the_account_is_named(key: str, site: Site) -> None:
    keys = account_keys(site.vendor.url)
    del keys[key]
    assert run_wrong(site, "apteligent.json", keys).startswith(f": {key}: is missing; ")


def test_a_missing_file_of_a_secret_is_named(site: Site) -> None:
    keys = {**account_keys(site.vendor.url), "password_file": "nowhere"}
    del keys["password"]
    path = site.commands.config_dir / "nowhere"
    assert run_wrong(site, "apteligent.json", keys) == f": password_file: {path} does not exist"


def test_every_mistake_of_a_file_has_its_line(site: Site) -> None:
    site.write("apteligent.json", {"hostname": 1, "colour": "red"})
    result = site.call("livestats", "--once")
    assert result.code == 78
    keys = [line.split(": ")[2] for line in result.stderr.splitlines()]
    assert keys == ["hostname", "username", "password", "clientID", "metric_root", "colour"]


# graphite.json


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({}, "host: is missing; text is expected"),
        ({"host": 5}, "host: 5 is not text"),
        ({"host": "a b"}, "host: 'a b' is neither a host name nor an address"),
        ({"host": "a" * 70 + ".example"}, "host: 'aaaa"),
        ({"port": None}, "port: is empty; a whole number from 1 to 65535 is expected"),
        ({"port": "carbon"}, 'port: "carbon" is not a whole number from 1 to 65535'),
        ({"port": 0}, "port: 0 is not a whole number from 1 to 65535"),
        ({"port": 2003.5}, "port: 2003.5 is not a whole number from 1 to 65535"),
        ({"protocol": "udp"}, 'protocol: "udp" is not one of plain, pickle, dummy'),
        ({"max_buffer": 0}, "max_buffer: 0 is not a whole number of 1 or more"),
        ({"max_bufer": 5}, 'max_bufer: improper key; did you mean "max_buffer"?'),
        ({"outbox_max_bytes": "big"}, 'outbox_max_bytes: "big" is not a whole number of 1 or more'),
    ],
)
def test_a_wrong_destination_is_told_by_key(description: dict[str, object], expected: str, site: Site) -> None:
    keys = {"host": "127.0.0.1", "port": site.carbon.port, **description} if description else {"port": 2003}
    assert run_wrong(site, "graphite.json", keys).startswith(f": {expected}")


def test_a_wrong_destination_of_a_list_is_numbered(site: Site) -> None:
    content = [{"protocol": "dummy"}, {"host": "localhost"}]
    assert run_wrong(site, "graphite.json", content).startswith(": [2] port: is missing")
    assert run_wrong(site, "graphite.json", []) == ": names no destination"
    assert run_wrong(site, "graphite.json", [{"protocol": "dummy"}] * 2) == ": dummy: is named twice; keep one of them"
    assert run_wrong(site, "graphite.json", [{"protocol": "dummy"}, 5]).startswith(": [2]: 5 is not an object")


# app_timezones.json, carrier.map


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, "must be [name, hours ahead of GMT, country]"),
        ("Bike Shop", "must be [name, hours ahead of GMT, country]"),
        (["Bike Shop"], "must be [name, hours ahead of GMT, country]"),
        (["Bike Shop", -8, "US", 1], "must be [name, hours ahead of GMT, country]"),
        ([5, -8], "the name (first) must be text"),
        (["Bike Shop", "-8"], "the GMT offset (second) must be a number of hours"),
        (["Bike Shop", None, "US"], "the GMT offset (second) must be a number of hours"),
        (["Bike Shop", True], "the GMT offset (second) must be a number of hours"),
        (["Bike Shop", 25], "the GMT offset (second) must be a number of hours"),
        (["Bike Shop", 10**400], "the GMT offset (second) must be a number of hours"),
        (["Bike Shop", -8, 1], "the country (third) must be text"),
    ],
)
def test_a_wrong_zone_names_the_app(entry: object, expected: str, site: Site) -> None:
    line = run_wrong(site, "app_timezones.json", {DUTCH.app_id: ["fine", 1], BIKE.app_id: entry})
    assert line.startswith(f": {BIKE.app_id}: {expected}")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("(?i)KPN KPN\n", 1),
        ("[NL]\nKPN\n", 2),
        ("[NL]\n(?i KPN\n", 2),
        ("[NL]\n# fine\n\n.* Other\n[ ]\n", 5),
        ("[NL]\n" + "(" * 5000 + " X\n", 2),
        ("[NL]\na{99999999999} X\n", 2),
    ],
)
def test_a_wrong_rule_names_its_line(content: str, line: int, site: Site) -> None:
    assert run_wrong(site, "carrier.map", content).startswith(f":{line}: ")


def test_lists_that_are_empty_are_no_mistake(site: Site) -> None:
    for file in ("app.blacklist", "services.whitelist"):
        site.write(file, "")
    assert site.call("servicestats", "--once").code == 0
    site.write("app_timezones.json", {})
    site.write("carrier.map", "")
    assert site.call("dailyjobs", "--once").code == 0
    assert site.call("groupedby", "--once").code == 0


# The vendor: the login, and the list of apps


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (Answer.json({"error": "invalid_grant", "error_description": "Invalid."}, status=401), 1, "invalid_grant: Inv"),
        (Answer.json({"error": "invalid_client"}, status=400), 1, "login refused by http://127.0.0.1"),
        (Answer(403), 1, "mend username, password or clientID in apteligent.json"),
        (Answer(500), 1, "/v1.0/token: HTTP 500"),
        (Answer(404), 1, "/v1.0/token: HTTP 404"),
        (Answer(302, {"Location": "https://login.example/"}), 1, "HTTP 302: redirects to https://login.example/"),
        (HTML_PAGE, 1, "/v1.0/token: the answer is not JSON"),
        (BROKEN_JSON, 1, "/v1.0/token: the answer is not JSON"),
        (deep_json(), 1, "/v1.0/token: the answer is not usable JSON: nested too deeply"),
        (Answer.json(None), 1, "login: the answer has no usable access_token"),
        (Answer.json([]), 1, "login: the answer has no usable access_token"),
        (Answer.json({"access_token": ""}), 1, "login: the answer has no usable access_token"),
        (Answer.json({"access_token": 5}), 1, "login: the answer has no usable access_token"),
        (Answer.json({"access_token": "line\nbreak: smuggled"}), 1, "login: the answer has no usable access_token"),
        (Answer.json({"access_token": "tökén"}), 1, "login: the answer has no usable access_token"),
    ],
)
def test_a_login_that_comes_to_nothing_is_one_line(answer: Answer, code: int, expected: str, site: Site) -> None:
    site.vendor.fail(answer, when="/v1.0/token", times=None)
    result = site.call("dailyjobs", "--once")
    assert result.code == code
    assert expected in result.stderr
    assert_clean(site, "dailyjobs", result)
    assert len(site.vendor.requests) <= 2
    assert site.call("dailyjobs", "--dry-run").code == code


@pytest.mark.parametrize("expires_in", [None, "86400", True, 0, -5, 1, 30, 10**400, 1e308])
def test_a_token_with_an_odd_lifetime_is_used_all_the_same(expires_in: object, site: Site) -> None:
    token = site.vendor.issue_token()
    site.vendor.fail(Answer.json({"access_token": token, "expires_in": expires_in}), when="/v1.0/token", times=None)
    result = site.call("dailyjobs", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert len(site.vendor.requests_to("/v1.0/token")) <= 5
    assert site.call("livestats", "--once").code == 0


def test_tokens_that_are_refused_one_after_the_other_end_the_cycle(site: Site) -> None:
    site.vendor.fail(Answer.json({"error": "no"}, status=401), when="/v1.0/[!t]*", times=None)
    result = site.call("livestats", "--once")
    assert result.code == 1
    assert "a new token is refused: HTTP 401: no" in result.stderr
    assert_clean(site, "livestats", result)
    assert 1 <= len(site.vendor.requests_to("/v1.0/token")) <= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_vendor_that_cannot_be_reached_is_asked_twice_at_most(command: str, site: Site) -> None:
    site.write("apteligent.json", account_keys(f"http://127.0.0.1:{unused_port()}"))
    result = site.call(command, "--once")
    assert result.code == 1
    assert "connection refused" in result.stderr
    assert_clean(site, command, result)


def test_a_vendor_that_goes_away_midway_ends_the_cycle_and_what_was_obtained_is_sent(site: Site) -> None:
    site.vendor.fail(reset, when=asked_for(DUTCH.app_id), times=None)
    result = site.call("livestats", "--once", "--threads", "1")
    assert result.code == 1
    assert len(site.points_of("Bike_Shop")) == 90
    assert_clean(site, "livestats", result)


def test_a_retired_host_is_told_to_be_one(site: Site) -> None:
    proxies = {"https": f"http://127.0.0.1:{unused_port()}"}
    site.write("apteligent.json", {**account_keys("developers.crittercism.com"), "proxies": proxies})
    result = site.call("livestats", "--once")
    assert result.code == 1
    assert "developers.crittercism.com" in result.stderr
    assert "retired its v1.0 hosts" in result.stderr
    assert_clean(site, "livestats", result)


@pytest.mark.parametrize("answer", [HTML_PAGE, Answer.json([]), Answer.json(None), Answer(500), deep_json()])
def test_without_an_app_list_there_is_nothing_to_do(answer: Answer, site: Site) -> None:
    site.vendor.fail(answer, when="/v1.0/apps", times=None)
    result = site.call("livestats", "--once")
    assert result.code == 1
    assert_clean(site, "livestats", result)


def test_an_old_app_list_is_better_than_none(site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"]) / "apps.json"
    cache.write_text(json.dumps({BIKE.app_id: {"appName": "Bike Shop"}}))
    os.utime(cache, (1e9, 1e9))
    site.vendor.fail(HTML_PAGE, when="/v1.0/apps", times=None)
    assert site.call("livestats", "--once").code == 0
    assert len(site.carbon.points) == 90
    assert any("the old one is used" in line for line in site.warnings("livestats"))


def test_an_app_with_odd_attributes_is_imported_by_its_id_and_costs_no_other(site: Site) -> None:
    site.vendor.answers["apps", None, None] = {
        BIKE.app_id: None,
        DUTCH.app_id: {"appName": ["x"], "links": 5},
        INDIA.app_id: {"appName": "a\nb 1 2\n.ü"},
    }
    result = site.call("livestats", "--once")
    assert (result.code, result.stderr) == (0, "")
    names = {point.name.split(".")[1] for point in site.carbon.points}
    assert names == {BIKE.app_id, DUTCH.app_id, "ab_1_2-ü"}
    assert [problem for connection in site.carbon.connections for problem in connection.problems] == []


# The vendor: figures. One app is answered badly, the others are not.


BAD_ANSWERS: dict[str, tuple[Answer | Fault, str]] = {
    "html": (HTML_PAGE, "the answer is not JSON"),
    "half JSON": (BROKEN_JSON, "the answer is not JSON"),
    "deep JSON": (deep_json(), "nested too deeply"),
    "nothing": (Answer(), "the answer is not JSON"),
    "no content": (Answer(204), "HTTP 204"),
    "null": (Answer.json(None), "expected an object"),
    "list": (Answer.json([]), "expected an object"),
    "text": (Answer.json("fine"), "expected an object"),
    "empty object": (Answer.json({}), "expected"),
    "huge": (huge_body(40 * 2**20), "answer larger than 32 MiB"),
    "huge, chunked": (huge_body(40 * 2**20, chunked=True), "answer larger than 32 MiB"),
    "cut off": (cut_off(after_bytes=5), "cut off after"),
    "reset": (reset, "connection closed without an answer"),
    "half, reset": (cut_off(after_bytes=5, with_reset=True), "cut off after"),
    "bad parameters": (Answer.json({"message": "no such\napp"}, status=400), "HTTP 400: no such app"),
    "not found": (Answer(404), "HTTP 404"),
    "broken": (Answer.json({"message": "oops"}, status=500), "HTTP 500: oops"),
    "limited": (Answer.json({"message": "slow down", "reset": 3600}, status=429), "HTTP 429: slow down; it resets in"),
    "limited for ever": (Answer(429, {}, b'{"reset": 1e999}'), "HTTP 429"),
    "limited oddly": (Answer(429, {}, b'{"reset": 1' + b"0" * 400 + b"}"), "HTTP 429"),
    "limited backwards": (Answer(429, {}, b'{"reset": -1' + b"0" * 400 + b"}"), "HTTP 429"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_about_one_app_costs_no_other_app(name: str, site: Site) -> None:
    answer, expected = BAD_ANSWERS[name]
    command = "groupedby" if name in {"html", "reset", "limited"} else "livestats"
    site.vendor.fail(answer, when=asked_for(BIKE.app_id), times=None)
    result = site.call(command, "--once")
    assert result.code == 1
    assert expected in site.log(command)
    assert "Bike Shop" in result.stderr
    assert_clean(site, command, result)
    assert site.points_of("Bike_Shop") == []
    assert site.points_of("Tweedehands_NL")
    assert site.points_of("Bazaar_India")


START = {"start": "2016-05-01T00:00:00", "interval": 86400}
BAD_SERIES: list[object] = [
    {"data": None},
    {"data": {"series": []}},
    {"data": {**START, "series": None}},
    {"data": {**START, "series": [None]}},
    {"data": {**START, "series": [{"points": "many"}]}},
    {"data": {**START, "series": [{"points": ["48213"]}]}},
    {"data": {**START, "series": [{"points": [True]}]}},
    {"data": {**START, "series": [{"points": [{}]}]}},
    {"data": {**START, "start": "yesterday", "series": [{"points": [1]}]}},
    {"data": {**START, "start": 1462060800, "series": [{"points": [1]}]}},
    {"data": {**START, "start": "9999-12-31T00:00:00", "series": [{"points": [1, 2]}]}},
    {"data": {**START, "interval": 3600, "series": [{"points": [1]}]}},
    {"data": {**START, "interval": 0, "series": [{"points": [1]}]}},
    {"data": {**START, "interval": "86400", "series": [{"points": [1]}]}},
    {"data": {**START, "series": [{"points": [10**400]}]}},
]


@pytest.mark.parametrize("number", range(len(BAD_SERIES)))
def test_a_daily_answer_of_the_wrong_shape_is_not_obtained(number: int, site: Site) -> None:
    good = {"data": {**START, "series": [{"name": "dau", "points": [48213, 17009]}]}}
    site.vendor.answers["errorMonitoring/graph", None, None] = good
    site.vendor.answers["errorMonitoring/graph", BIKE.app_id, "dau"] = BAD_SERIES[number]
    result = site.call("dailyjobs", "--once", "--date", "2016-05-01")
    assert result.code == 1
    assert "daily dau of Bike Shop" in result.stderr
    assert_clean(site, "dailyjobs", result)
    assert len(site.carbon.points) == 23
    assert {point.value for point in site.carbon.points} == {48213.0}


BAD_BUCKETS: dict[str, tuple[object, str]] = {
    "not successful": ({"success": 0}, "success is 0"),
    "no list": ({"success": 1}, "periodic_data is missing"),
    "text": ({"success": 1, "periodic_data": "none"}, "periodic_data is text"),
    "no time": ({"app_loads": 1}, "periodic_data[0].time is missing"),
    "time as text": ({"time": "now", "app_loads": 1}, "periodic_data[0].time is text"),
    "negative time": ({"time": -1000, "app_loads": 1}, "before 1970 or in the future"),
    "future time": ({"time": 4e12, "app_loads": 1}, "before 1970 or in the future"),
    "huge time": ({"time": 1e300, "app_loads": 1}, "before 1970 or in the future"),
    "endless time": ({"time": 10**400, "app_loads": 1}, "not a finite number"),
    "text for a number": ({"time": 1462231500000, "app_loads": "40"}, "app_loads is text"),
    "an endless number": ({"time": 1462231500000, "app_loads": 10**400}, "not a finite number"),
    "no bucket": (None, "periodic_data[0] is missing"),
}


@pytest.mark.parametrize("name", BAD_BUCKETS)
def test_a_live_bucket_of_the_wrong_shape_costs_no_other(name: str, site: Site) -> None:
    bad, expected = BAD_BUCKETS[name]
    good = {"time": 1462231510000, "app_loads": 41, "app_errors": None, "app_exceptions": 1}
    whole = isinstance(bad, dict) and "success" in bad
    answer = bad if whole else {"success": 1, "periodic_data": [bad, good]}
    site.vendor.answers["liveStats/periodic", BIKE.app_id, None] = answer
    result = site.call("livestats", "--once")
    assert result.code == 1
    assert expected in result.stderr
    assert_clean(site, "livestats", result)
    assert len(site.points_of("Bike_Shop")) == (0 if whole else 2)
    assert len(site.carbon.points) == len(site.points_of("Bike_Shop")) + 180


PIE: dict[str, object] = {"start": "2016-05-02T00:00:00", "end": "2016-05-03T00:00:00", "interval": 300}
GOOD_SLICE = {"name": "x", "label": "cdn.bikeshop.example", "value": 2}
BAD_SLICES: dict[str, tuple[object, int]] = {
    "no slices": (PIE, 0),
    "slices are text": ({**PIE, "slices": "none"}, 0),
    "a null slice": ({**PIE, "slices": [None, GOOD_SLICE]}, 1),
    "no label": ({**PIE, "slices": [{"value": 1}, GOOD_SLICE]}, 1),
    "a number for a label": ({**PIE, "slices": [{"label": 5, "value": 1}, GOOD_SLICE]}, 1),
    "text for a value": ({**PIE, "slices": [{"label": "api.bikeshop.example", "value": "1"}, GOOD_SLICE]}, 1),
    "an endless value": ({**PIE, "slices": [{"label": "api.bikeshop.example", "value": 10**400}, GOOD_SLICE]}, 1),
    "no end": ({"slices": [GOOD_SLICE]}, 0),
    "an end of rubbish": ({**PIE, "end": "soon", "slices": [GOOD_SLICE]}, 0),
    "an end before 1970": ({**PIE, "end": "1960-01-01T00:00:00", "slices": [GOOD_SLICE]}, 0),
    "an end in ages": ({**PIE, "end": "9999-12-31T23:59:59-23:59", "slices": [GOOD_SLICE]}, 0),
    "an end in the year 1": ({**PIE, "end": "0001-01-01T00:00:00+23:59", "slices": [GOOD_SLICE]}, 0),
}


@pytest.mark.parametrize("name", BAD_SLICES)
def test_a_slice_of_the_wrong_shape_costs_no_other(name: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    data, expected = BAD_SLICES[name]
    site.write("app.blacklist", f"{DUTCH.app_id}\n{INDIA.app_id}\n")
    answers = site.vendor.answers
    answers["performanceManagement/pie", None, None] = {"data": {**PIE, "slices": []}}
    answers["performanceManagement/pie", None, "volume"] = {"data": {**PIE, "slices": [GOOD_SLICE]}}
    answers["performanceManagement/pie", None, "latency"] = {"data": data}
    monkeypatch.setattr(apteligent_plans, "ONCE_RETRY_SECONDS", 0.0)
    result = site.call("servicestats", "--once")
    assert result.code == 1
    assert "latency by service of Bike Shop" in result.stderr
    assert_clean(site, "servicestats", result)
    names = [point.name.rsplit(".", 1)[1] for point in site.carbon.points]
    assert sorted(names) == ["latency"] * expected + ["volume"]


@pytest.mark.parametrize("values", [(1.7e308, 1.7e308), (10**308, 10**308), (0, 0)])
def test_carriers_whose_sums_cannot_be_had_cost_no_other_app(values: tuple[float, float], site: Site) -> None:
    site.write("carrier.map", "[US]\n.* All\n[NL]\n.* All\n")
    slices = [{"label": label, "value": value} for label, value in zip("ab", values, strict=True)]
    site.vendor.answers["errorMonitoring/pie", BIKE.app_id, "appLoads/carrier"] = {"data": {"slices": slices}}
    result = site.call("groupedby", "--once")
    assert result.code == (0 if values == (0, 0) else 1)
    assert_clean(site, "groupedby", result)
    carriers = [point.name for point in site.carbon.points if ".carrier.All." in point.name]
    assert len([name for name in carriers if "Tweedehands" in name]) == 3
    assert "apteligent.Bike_Shop.groupedby.carrier.All.crashPercent" not in carriers


def test_names_from_the_vendor_cannot_smuggle_a_line_in(site: Site) -> None:
    label = "1.0\napteligent.fake 1 2\r\n\u2028x"
    answer = {"data": {"slices": [{"label": label, "value": 1}]}}
    site.vendor.answers["errorMonitoring/pie", None, None] = answer
    assert site.call("groupedby", "--once").code == 0
    assert all(re.fullmatch(r"apteligent\.\S+ 1 \d+\.000", line) for line in site.lines)
    assert "apteligent.fake" not in {point.name for point in site.carbon.points}


def test_a_redirect_is_not_followed_with_the_token(site: Site) -> None:
    site.vendor.fail(Answer(307, {"Location": f"{site.vendor.url}/stolen"}), when="/v1.0/live*", times=None)
    result = site.call("livestats", "--once")
    assert result.code == 1
    assert site.vendor.requests_to("/stolen") == ()
