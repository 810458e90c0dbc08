"""`leexportpy start`: what it says, how it ends, and that nothing that fails keeps it from going on."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.base import BROKEN_JSON, Answer, Exchange, Fault, Request, never, reset
from importer.simulators.graphite import ReceivedPoint
from importer.simulators.log_search import final_answer, parse_query
from tests.commands import ROOT
from tests.leexport.answers import answer
from tests.leexport.running import LOG_LINE, plug_in, serving
from tests.leexport.site import COUNT, GROUPS, Site
from tests.running import WAIT_SECONDS

UNANSWERED = "where(unanswered) calculate(count)"
UNANSWERED = "where(unanswered) calculate(count)"
OTHER = "where(other) calculate(count)"


def offered(site: Site, name: str, statement: str = COUNT) -> list[ReceivedPoint]:
    """Return what a statement was answered with until now, in that order, as points of a series of that name."""
    questions = [parse_query(request.json(), now=0) for request in site.api.requests]
    points = []
    for question in (question for question in questions if question.statement == statement):
        statistics = final_answer(question)["statistics"]
        for index, value in enumerate(statistics["timeseries"]["global_timeseries"]):
            milliseconds = statistics["from"] + index * statistics["granularity"]
            points.append(ReceivedPoint(name, float(milliseconds // 1000), value["count"]))
    return points


def is_of(statement: str, request: Request) -> bool:
    """Return whether a request posts a query of that statement."""
    return statement.encode() in request.body


is_unanswered = partial(is_of, UNANSWERED)


def waiting(site: Site) -> dict[str, int]:
    """Return how many payloads are kept for each destination for which some are."""
    with OutboxView.open(site.commands.state_dir / "leexportpy.outbox") as outbox:
        return {lane.lane: lane.payloads for lane in outbox.lanes() if lane.payloads}


# What it says


def test_it_says_that_it_runs_in_the_foreground_then_logs_each_step_and_no_key(site: Site) -> None:
    site.line("requests")
    site.series("web.errors")
    with serving(site) as service:
        service.wait_for_line("metrics sent", 2)
        ended = service.stop()
    assert ended.code == 0
    assert ended.stderr == []
    assert ended.stdout[:2] == ["Trying to run the app...", "Running in foreground, CTRL+C to exit the process."]
    log = ended.stdout[2:]
    assert [line for line in log if not LOG_LINE.fullmatch(line)] == []
    for step in (
        "services found: ",
        "search started: search=requests service=geckoboard",
        "search started: search=web.errors service=hosted_graphite",
        "query sent: search=requests query={",
        "metrics sent: 10 lane=hosted_graphite: web.errors payloads=1",
        "metrics sent: 1 lane=geckoboard: requests payloads=1",
    ):
        assert len([line for line in log if f" - {step}" in line]) == 1, step
    assert [key for key in site.keys if key in "\n".join(ended.stdout)] == []


def test_no_key_is_told_where_everything_is_refused_with_the_request_sent_back(site: Site) -> None:
    def send_back(exchange: Exchange) -> None:
        request = exchange.request
        said = f"{dict(request.headers)} {request.body.decode()}"
        exchange.send(Answer.json({"message": said}, status=401))

    site.line("requests")
    site.series("web.errors")
    site.line("other", statement=GROUPS)
    site.api.fail(send_back, times=None, when=lambda request: b"groupby" in request.body)
    site.geckoboard.fail(send_back, times=None)
    site.graphite.fail(send_back, times=None)
    with serving(site) as service:
        service.wait_for_line("HTTP 401", 3)
        ended = service.stop()
    assert [key for key in site.keys if key in "\n".join(ended.stdout + ended.stderr)] == []


# How it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_asked_to(site: Site, number: signal.Signals) -> None:
    site.line("requests")
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        ended = service.stop(number)
    assert (ended.code, ended.stderr) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_queries_hang(site: Site, number: signal.Signals) -> None:
    site.line("unanswered", statement=UNANSWERED)
    site.line("polled")
    site.api.polls = 1000
    site.api.fail(never, times=None, when=is_unanswered)
    with serving(site) as service:
        site.api.wait_for(is_unanswered)
        site.api.wait_for(3)
        ended = service.stop(number)
    assert (ended.code, ended.stderr) == (0, [])


def test_it_ends_while_pushes_hang_which_are_kept(site: Site) -> None:
    site.series("web.errors")
    site.line("requests")
    site.graphite.fail(never, times=None)
    site.geckoboard.fail(Answer(503), times=None)
    with serving(site) as service:
        site.graphite.wait_for(1)
        site.geckoboard.wait_for(2)
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])
    assert waiting(site) == {"geckoboard: requests": 1, "hosted_graphite: web.errors": 1}


def test_it_ends_while_a_users_service_hangs(site: Site) -> None:
    plug_in(site, "mine", "requests.post(self.push_url)")
    site.geckoboard.fail(never, times=None)
    with serving(site) as service:
        site.geckoboard.wait_for(1)
        ended = service.stop(signal.SIGINT)
    assert (ended.code, ended.stderr) == (0, [])


def test_a_push_under_way_is_finished_before_it_ends(site: Site) -> None:
    def answer_after_signal(exchange: Exchange) -> None:
        service.process.terminate()
        exchange.later(0.3, exchange.proceed)

    site.series("web.errors")
    site.graphite.fail(answer_after_signal)
    with serving(site) as service:
        site.graphite.wait_for_points(10)
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])
    assert waiting(site) == {}


# What fails, and how it goes on


FAILURES: dict[str, tuple[Answer, str]] = {
    "bad": (Answer.json({"errorCode": "301003", "message": "no LEQL"}, status=400), "HTTP 400: 301003: no LEQL"),
    "refused": (Answer(401), "HTTP 401; the key is refused"),
    "missing": (Answer(404), "HTTP 404; logs holds a key that no log has"),
    "created": (Answer(201), "HTTP 201"),
    "broken": (BROKEN_JSON, "not JSON"),
    "groups": (Answer.json(answer("groups")), "line_chart needs a time series; the answer has groups"),
    "events": (Answer.json(answer("events_next")), "the answer holds events, not statistics"),
}
"""By the name of a search: how its first query fails, and what is said of that."""


def test_searches_that_failed_run_again_at_their_next_period(site: Site) -> None:
    for name, (fault, _) in FAILURES.items():
        statement = f"where({name}) calculate(count)"
        site.line(name, statement=statement, period=1)
        site.api.fail(fault, when=partial(is_of, statement))
    with serving(site) as service:
        for name in FAILURES:
            site.geckoboard.wait_for_widget(name)
        ended = service.stop()
    for name, (_, reason) in FAILURES.items():
        (told,) = (line for line in ended.stdout if f"not pushed: [[{name}]] geckoboard: " in line)
        assert reason in told


@pytest.mark.parametrize("fault", [Answer(503), reset], ids=["503", "reset"])
def test_a_query_that_finds_the_api_down_is_asked_again_at_once(site: Site, fault: Answer | Fault) -> None:
    site.line("requests")
    site.api.fail(fault)
    with serving(site):
        site.geckoboard.wait_for_widget("requests")
    assert site.asked() == [COUNT, COUNT]


def test_a_users_service_that_raises_is_run_again_at_its_next_period_and_shows_no_traceback(site: Site) -> None:
    plug_in(site, "mine", "requests.get(self.push_url); raise ValueError('odd')")
    site.line("requests", period=1)
    with serving(site) as service:
        site.geckoboard.wait_for(lambda request: request.method == "GET")
        service.wait_for_line("not pushed: [[mine]] mine: ValueError: odd", 3)
        site.geckoboard.wait_for_widget("requests", 3)
        ended = service.stop()
    assert ended.stderr == []
    assert [line for line in ended.stdout[2:] if not LOG_LINE.fullmatch(line)] == []


def test_a_search_that_hangs_holds_up_no_other_and_is_not_asked_twice_at_a_time(site: Site) -> None:
    site.line("hangs", statement=UNANSWERED, period=1)
    site.line("requests", period=1)
    site.api.fail(never, times=None, when=is_unanswered)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests", 3)
        service.wait_for_line("start left out, the last run is not over: task=hangs", 2)
    assert site.asked().count(UNANSWERED) == 1


def test_while_the_store_is_down_queries_go_on_and_all_is_pushed_once_and_in_order_when_it_is_back(site: Site) -> None:
    site.series("web.errors", period=1)
    site.graphite.stop()
    with serving(site) as service:
        site.api.wait_for(4)
        asked = site.api.request_count
        site.graphite.start()
        site.graphite.wait_for_points(10 * (asked + 1), timeout_seconds=WAIT_SECONDS)
        service.stop()
    points = list(site.graphite.points)
    assert points == offered(site, "web.errors")[: len(points)]


def test_of_a_widget_only_the_newest_state_is_pushed_once_its_key_is_right(site: Site) -> None:
    site.line("requests", period=1)
    refused = site.geckoboard.fail(Answer(403), times=None)
    with serving(site) as service:
        site.geckoboard.wait_for(3)
        site.geckoboard.heal()
        site.geckoboard.wait_for_widget("requests")
        service.stop()
    states = [request.json()["data"] for request in site.geckoboard.requests]  # type: ignore[index]
    assert site.geckoboard.widgets["requests"] == states[refused.hits :]
    assert [state for state in states[: refused.hits] if state in states[refused.hits :]] == []


def test_after_a_restart_series_get_all_that_they_missed_and_a_widget_its_newest_state(site: Site) -> None:
    site.series("web.errors", period=1)
    site.line("requests", statement=OTHER, period=1)
    site.graphite.stop()
    site.geckoboard.stop()
    with serving(site) as service:
        site.api.wait_for(8)
        service.stop()
    kept = waiting(site)
    missed = kept.pop("hosted_graphite: web.errors")
    assert kept == {"geckoboard: requests": 1}
    assert missed >= 3
    site.graphite.start()
    site.geckoboard.start()
    expected = offered(site, "web.errors")[: 10 * missed]
    states = [point.value for point in offered(site, "requests", OTHER)]
    newest = states[-10:], states[-20:-10]  # the last answer may have come too late to be kept
    site.api.fail(Answer(400), times=None)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.graphite.wait_for_points(10 * missed)
        service.stop()
    assert list(site.graphite.points) == expected
    (state,) = site.geckoboard.widgets["requests"]
    assert [value for _, value in state["series"][0]["data"]] in newest  # type: ignore[index]
    assert waiting(site) == {}


def test_a_store_that_hangs_holds_up_no_other(site: Site) -> None:
    site.series("web.errors", period=1)
    site.line("requests", period=1)
    site.graphite.fail(never, times=None)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests", 2)
        service.kill()
    assert len(site.graphite.requests) == 1


def test_what_a_store_will_never_take_is_set_aside_and_the_next_goes_on(site: Site) -> None:
    site.series("web.errors", period=1)
    site.graphite.fail(Answer(400, {}, b"no"))
    with serving(site) as service:
        (told,) = service.wait_for_line("payload set aside")
        site.graphite.wait_for_points(10)
        service.stop()
    assert "ERROR" in told
    assert list(site.graphite.points[:10]) == offered(site, "web.errors")[10:20]


# What is wrong from the beginning


def test_a_wrong_search_is_told_and_left_out_while_the_others_run(site: Site) -> None:
    site.line("requests")
    site.line("never", period=0)
    site.search("unknown", {"service": "gone"})
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        ended = service.stop()
    assert ended.code == 0
    never_line, unknown_line = ended.stderr
    assert never_line.startswith(f"leexportpy: {site.config}: [Searches] [[never]] query_period: ")
    assert unknown_line.startswith(f"leexportpy: {site.config}: [Searches] [[unknown]] service: unknown service gone")
    assert len(site.api.requests) == 1


def test_a_file_with_wrong_searches_alone_ends_the_start_with_a_line_for_each(site: Site) -> None:
    site.line("never", period=0)
    site.search("unknown", {"service": "gone"})
    site.write()
    result = site.run("start", "-c", site.config)
    assert result.code == 78
    assert [line.partition("]]")[0] for line in result.stderr.splitlines()] == [
        f"leexportpy: {site.config}: [Searches] [[{name}" for name in ("never", "unknown")
    ]
    assert site.api.requests == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, ": does not exist"),
        ("[LE\n", ":1: "),
        ("[LE]\nrw_api_key = x\n", ": [Searches]: "),
        ("[LE]\n[Searches]\n[[a]]\n", ": [LE]: "),
        ("[LE]\nrw_api_key = a\nrw_api_key = b\n", ":3: "),
    ],
    ids=["missing", "unparsable", "no searches", "no key", "duplicate"],
)
def test_a_wrong_file_ends_the_start_at_once_with_one_line(site: Site, text: str | None, said: str) -> None:
    if text is not None:
        site.config.write_text(text)
    result = site.run("start", "-c", site.config)
    assert result.code == 78
    assert result.stderr.startswith(f"leexportpy: {site.config}{said}")
    assert result.stderr.count("\n") == 1


# What systemd and its journal are told


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What a service's messages come to; its name is `tmp_path`/notify."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{tmp_path}"[-100:])
        receiver.settimeout(WAIT_SECONDS)
        yield receiver


def name_of(systemd: socket.socket) -> str:
    return f"@{systemd.getsockname()[1:].decode()}"


def test_systemd_is_told_of_the_start_each_reload_and_the_end(site: Site, systemd: socket.socket) -> None:
    site.line("requests")
    with serving(site, env={"NOTIFY_SOCKET": name_of(systemd)}) as service:
        assert systemd.recv(1024) == b"READY=1"
        service.process.send_signal(signal.SIGHUP)
        assert systemd.recv(1024).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(1024) == b"READY=1"
        service.process.send_signal(signal.SIGTERM)
        assert systemd.recv(1024) == b"STOPPING=1"
        assert service.stop().code == 0


def test_systemds_watchdog_hears_from_a_service_whose_queries_all_hang(site: Site, systemd: socket.socket) -> None:
    site.line("requests")
    site.api.fail(never, times=None)
    with serving(site, env={"NOTIFY_SOCKET": name_of(systemd), "WATCHDOG_USEC": "200000"}) as service:
        assert [systemd.recv(1024) for _ in range(5)] == [b"READY=1", *[b"WATCHDOG=1"] * 4]
        assert service.stop().code == 0


def test_systemd_hears_of_no_start_with_a_wrong_file(site: Site, systemd: socket.socket) -> None:
    site.line("never", period=0)
    site.write()
    assert site.run("start", "-c", site.config, env={"NOTIFY_SOCKET": name_of(systemd)}).code == 78
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(1024)


def test_in_the_journal_lines_have_priorities_and_no_times(site: Site) -> None:
    site.line("requests")
    site.line("never", period=0)
    site.write()
    journal, output = os.pipe()
    stream = os.fstat(output)
    command = [sys.executable, str(ROOT / "bin" / "leexportpy"), "start", "-c", str(site.config)]
    environment = site.commands.environment | {"JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}"}
    with (
        os.fdopen(journal) as lines,
        subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, env=environment) as process,
    ):
        os.close(output)
        try:
            site.geckoboard.wait_for_widget("requests")
        finally:
            process.terminate()
            process.wait(5)
        log = lines.read().splitlines()[2:]
    assert [line for line in log if not re.match(r"<[346]>[a-z]", line)] == []
    assert len([line for line in log if line.startswith("<3>search left out: ")]) == 1
    assert "<6>search started: search=requests service=geckoboard" in log
