"""What /api/ answers, asked over HTTP."""

import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from importer.dashboard.series import MAX_CURVES, MAX_POINTS
from tests.commands import Commands, isolated_environment
from tests.dashboard.served import WAIT_SECONDS, Dashboard, dashboard_in
from tests.dashboard.state import CARBON, REASON, break_down, fill


def command_of(status: Any, name: str) -> Any:
    (found,) = [command for command in status["commands"] if command["command"] == name]
    return found


def status_with(dashboard: Dashboard, *commands: str) -> Any:
    """Return the first status that shows these commands: one may be answered that was seen before they were there."""
    version = ""
    while True:
        status = dashboard.get("/api/status", after=version).json()
        if {command["command"] for command in status["commands"]} == set(commands):
            return status
        version = status["version"]


def test_nothing_that_has_run_is_no_problem(dashboard: Dashboard) -> None:
    status = dashboard.status()
    assert (status["headline"], status["healthy"], status["commands"]) == ("No command has run yet", True, [])
    assert (status["notes"], status["errors"], status["stores"]) == ([], [], [])


def test_commands_that_work_are_all_well(dashboard: Dashboard) -> None:
    fill(dashboard.state, now=time.time())
    status = status_with(dashboard, "dailyjobs", "groupedby", "leexportpy", "livestats", "pp-collector", "servicestats")
    assert (status["headline"], status["notes"]) == ("All well", [])
    livestats = command_of(status, "livestats")
    assert (livestats["state"], livestats["interval_seconds"], len(livestats["runs"])) == ("ok", 300, 30)
    started, next_run = (datetime.fromisoformat(livestats["runs"][0]["started"]), livestats["next_run"])
    assert (datetime.fromisoformat(next_run) - started).total_seconds() == 300
    assert [store["store"] for store in status["stores"]] == [str(dashboard.state.store)]


def test_what_is_wrong_is_told_gravest_first(dashboard: Dashboard) -> None:
    now = time.time()
    fill(dashboard.state, now=now)
    break_down(dashboard.state, now=now)
    status = status_with(dashboard, "dailyjobs", "groupedby", "leexportpy", "livestats", "pp-collector", "servicestats")
    assert (status["headline"], status["healthy"]) == ("2 problems to look at", False)
    assert [(note["severity"], note["command"]) for note in status["notes"]] == [
        ("error", "groupedby"),
        ("error", "leexportpy"),
        ("warning", "livestats"),
    ]
    assert "connection refused" in status["notes"][2]["text"]
    states = {command["command"]: command["state"] for command in status["commands"]}
    assert (states["groupedby"], states["leexportpy"], states["livestats"]) == ("failed", "rejects", "waiting")
    (lane,) = [lane for lane in command_of(status, "livestats")["lanes"] if lane["payloads"]]
    assert (lane["lane"], lane["payloads"], lane["points"]) == (CARBON, 7, 1890)
    assert [(error["command"], error["kind"]) for error in status["errors"]] == [
        ("groupedby", "exit 1"),
        ("leexportpy", "rejected"),
    ]
    assert REASON in status["errors"][1]["text"]


def test_a_store_that_is_away_alone_is_a_warning(dashboard: Dashboard) -> None:
    dashboard.state.record("livestats", time.time() - 9)
    dashboard.state.keep("livestats", b"1", at=time.time(), problem="connection refused")
    status = status_with(dashboard, "livestats")
    assert (status["headline"], status["healthy"]) == ("Working, with 1 warning", True)


def test_a_command_that_stopped_running_is_late(dashboard: Dashboard) -> None:
    now = time.time()
    dashboard.state.record_many("livestats", [now - 4000 - 300 * n for n in range(9, -1, -1)], lanes=[CARBON], points=9)
    status = status_with(dashboard, "livestats")
    assert command_of(status, "livestats")["state"] == "late"
    (note,) = status["notes"]
    assert (note["severity"], note["text"].endswith("usually there is one every 5 min")) == ("warning", True)


def test_an_outbox_that_cannot_be_read_does_not_hide_the_others(dashboard: Dashboard) -> None:
    dashboard.state.record("dailyjobs", time.time() - 9)
    (dashboard.state.directory / "livestats.outbox").write_bytes(b"not a database, but longer than a header" * 10)
    status = status_with(dashboard, "dailyjobs", "livestats")
    assert [command["state"] for command in status["commands"]] == ["ok", "unreadable"]
    assert "cannot be read" in status["notes"][0]["text"]


def test_an_outbox_that_was_set_aside_needs_a_person(dashboard: Dashboard) -> None:
    dashboard.state.record("livestats", time.time() - 9)
    aside = dashboard.state.directory / "livestats.outbox.damaged-20160503T080500Z"
    aside.write_bytes(b"?")
    status = status_with(dashboard, "livestats")
    assert (command_of(status, "livestats")["state"], status["healthy"]) == ("damaged", False)
    assert str(aside) in status["notes"][0]["text"]


def test_looking_changes_nothing(dashboard: Dashboard) -> None:
    fill(dashboard.state, now=time.time())
    files = {
        path: path.read_bytes() for path in dashboard.state.directory.iterdir() if path.suffix in {".outbox", ".db"}
    }
    before = sorted(path.name for path in dashboard.state.directory.iterdir())
    dashboard.status()
    dashboard.points("shop.web.requests")
    assert {path: path.read_bytes() for path in files} == files
    after = sorted(path.name for path in dashboard.state.directory.iterdir())
    assert [name for name in after if not name.endswith(("-shm", "-wal"))] == [
        name for name in before if not name.endswith(("-shm", "-wal"))
    ]


def test_who_waits_for_news_is_answered_when_there_is_some(dashboard: Dashboard) -> None:
    before = dashboard.status()
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(dashboard.get("/api/status", after=before["version"]).json())
    )
    waiting.start()
    dashboard.state.record("livestats", time.time())
    waiting.join(WAIT_SECONDS)
    (after,) = answers
    assert after["version"] != before["version"]
    assert [command["command"] for command in after["commands"]] == ["livestats"]


def test_without_news_the_answer_says_so_by_its_version(dashboard: Dashboard) -> None:
    before = dashboard.status()
    assert dashboard.get("/api/status", after=before["version"], wait=1).json()["version"] == before["version"]


def test_what_is_written_to_the_store_is_news(dashboard: Dashboard) -> None:
    before = dashboard.status()
    dashboard.state.write("a", [(1, 1)])
    after = dashboard.get("/api/status", after=before["version"]).json()
    assert [store["store"] for store in after["stores"]] == [str(dashboard.state.store)]


def test_series_are_searched_part_by_part(dashboard: Dashboard) -> None:
    for number in range(5):
        dashboard.state.write(f"shop.web.a{number}", [(1, 1), (7, number)])
    dashboard.state.write("other", [(1, 1)])
    answer = dashboard.get("/api/series", search="WEB", offset=3, limit=5).json()
    assert (answer["total"], answer["problems"]) == (5, [])
    assert answer["series"][1] == {
        "store": str(dashboard.state.store),
        "name": "shop.web.a4",
        "label_sets": 1,
        "last": "1970-01-01T00:00:07Z",
        "last_value": 4,
    }
    assert dashboard.get("/api/suggested").json()["series"]


def test_points_come_by_label_set_in_a_time(dashboard: Dashboard) -> None:
    for code in ("200", "500"):
        dashboard.state.write("requests", [(10, 1), (20, int(code)), (30, 3)], (("code", code),))
    answer = dashboard.points("requests", **{"from": 15, "to": 30})
    assert answer["left_out"] == 0
    assert answer["series"] == [
        {"labels": {"code": "200"}, "total": 1, "times": [20], "values": [200]},
        {"labels": {"code": "500"}, "total": 1, "times": [20], "values": [500]},
    ]


def test_an_answer_is_bounded_however_much_is_stored(dashboard: Dashboard) -> None:
    for number in range(MAX_CURVES + 1):
        dashboard.state.write("many", ((at, at % 97) for at in range(20_000)), (("number", f"{number}"),))
    reply = dashboard.get("/api/points", store=dashboard.state.store, name="many")
    answer = reply.json()
    assert (len(answer["series"]), answer["left_out"]) == (MAX_CURVES, 1)
    assert all(len(series["times"]) <= MAX_POINTS for series in answer["series"])
    assert {series["total"] for series in answer["series"]} == {20_000}
    assert len(reply.body) < 30 * MAX_POINTS * MAX_CURVES


@pytest.mark.parametrize(
    ("path", "parameters", "status", "told"),
    [
        ("/api/points", {"name": "a"}, 400, "store: is missing"),
        ("/api/points", {"store": "STORE", "name": "none"}, 404, "no series has it"),
        ("/api/points", {"store": "/etc/passwd", "name": "a"}, 404, "no such store"),
        ("/api/points", {"store": "STORE", "name": "a", "from": "yesterday"}, 400, "from: seconds since 1970 UTC"),
        ("/api/points", {"store": "STORE", "name": "a", "from": "nan"}, 400, "from: seconds since 1970 UTC"),
        ("/api/points", {"store": "STORE", "name": "a", "from": "9", "to": "9"}, 400, "a time before `to`"),
        ("/api/points", {"store": "STORE", "name": "a" * 501}, 400, "name: 500 characters at the most"),
        ("/api/series", {"limit": "0"}, 400, "limit: a whole number from 1 to 200"),
        ("/api/series", {"offset": "-1"}, 400, "offset: a whole number from 0"),
        ("/api/series", {"search": "a b c d e f g h i"}, 400, "search: 8 words at the most"),
        ("/api/status", {"after": "x", "wait": "26"}, 400, "wait: a whole number from 0 to 25"),
        ("/api/nothing", {}, 404, "there is no such page"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    dashboard: Dashboard, path: str, parameters: dict[str, str], status: int, told: str
) -> None:
    dashboard.state.write("a", [(1, 1)])
    asked = {name: str(dashboard.state.store) if value == "STORE" else value for name, value in parameters.items()}
    reply = dashboard.get(path, **asked)
    assert reply.status == status
    assert told in reply.json()["error"]


def test_a_store_that_is_damaged_is_told(dashboard: Dashboard) -> None:
    dashboard.state.store.write_bytes(b"not a database, but longer than a header" * 10)
    assert "not an SQLite database" in dashboard.get("/api/series").json()["problems"][0]
    assert dashboard.get("/api/points", store=dashboard.state.store, name="a").status == 500
    assert dashboard.get("/api/suggested").json() == {"series": []}


def test_a_state_directory_that_may_be_looked_into_no_more_is_told(tmp_path: Path) -> None:
    commands = Commands(tmp_path, isolated_environment(tmp_path))
    del commands.environment["CACHE_DIR"]
    with dashboard_in(tmp_path, commands=commands) as dashboard:
        dashboard.state.directory.rmdir()
        (tmp_path / "tmp" / f"leexportpy-{os.geteuid()}").write_text("in the way")
        for path in ("/api/series", "/api/suggested", "/api/points?store=a&name=a"):
            reply = dashboard.get(path)
            assert (reply.status, "remove it" in reply.json()["error"]) == (503, True)
        assert dashboard.stop().stderr == []


@pytest.mark.parametrize("body", [None, b"{}"], ids=["without a body", "with a body"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(dashboard: Dashboard, method: str, body: bytes | None) -> None:
    for path in ("/", "/api/status"):
        reply = dashboard.ask(method, path, body=body)
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_head_is_answered_as_get_is_but_without_the_body(dashboard: Dashboard) -> None:
    got, seen = dashboard.get("/"), dashboard.ask("HEAD", "/")
    assert (seen.status, seen.body, seen.headers["content-length"]) == (200, b"", str(len(got.body)))


def test_answers_are_kept_from_other_sites_and_from_caches(dashboard: Dashboard) -> None:
    for path in ("/", "/api/status", "/api/nothing", "/dashboard.js"):
        headers = dashboard.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
    assert dashboard.get("/api/status").headers["cache-control"] == "no-store"


def test_many_who_watch_are_answered_alike(dashboard: Dashboard) -> None:
    """Each of them waits on a connection of its own; one new run is news for all."""
    before = dashboard.status()["version"]
    with_news: list[str] = []

    def watch() -> None:
        with_news.append(dashboard.get("/api/status", after=before).json()["version"])

    threads = [threading.Thread(target=watch) for _ in range(30)]
    for thread in threads:
        thread.start()
    dashboard.state.record("livestats", time.time())
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert len(with_news) == 30
    assert before not in with_news
