"""A single run in which destinations fail: what is kept, what is set aside, and what the next run does about it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from importer.simulators.base import Answer, Fault, Hold, Predicate, Request, cut_off, reset
from importer.simulators.graphite import GraphiteReceiver, accept_then_close, normal, reset_after
from importer.simulators.hosted_graphite import API_KEY, TlsGraphiteReceiver
from importer.simulators.udp import DatagramReceiver
from tests.commands import Result
from tests.http_servers import make_certificate
from tests.leexport.answers import answer, statistics_answer
from tests.leexport.faulty import LIMITED, in_turn, own_commands, said, services_said, statement_of
from tests.leexport.running import serving
from tests.leexport.site import COUNT, Site, opened_site


@dataclass(frozen=True)
class Failing:
    """What a push meets, how often it is tried, and what is told of it."""

    fault: Answer | Fault
    told: str
    tried: int = 1


KEPT = {
    "reset": Failing(reset, "connection closed without an answer", 4),
    "cut-off": Failing(cut_off(), "answer cut off", 4),
    "wrong-key": Failing(Answer(401), "HTTP 401: the credentials are wrong; correct push_url, or the api_key of "),
    "forbidden": Failing(
        Answer(403), "HTTP 403: the credentials do not allow it; correct push_url, or the api_key of "
    ),
    "no-such-address": Failing(Answer(404), "HTTP 404: there is nothing at that address; correct push_url"),
    "moved": Failing(Answer(301, {"Location": "/elsewhere"}), "HTTP 301: redirects to /elsewhere; correct push_url"),
    "limited": Failing(Answer(429), "HTTP 429", 4),
    "broken": Failing(Answer(500, body=b"Oops"), "HTTP 500: Oops", 4),
    "overloaded": Failing(Answer(503), "HTTP 503", 4),
}
SET_ASIDE = {
    "bad-data": Failing(Answer.json({"message": "no such widget"}, status=400), 'HTTP 400: {"message": "no such'),
    "too-large": Failing(Answer(413), "HTTP 413"),
    "odd": Failing(Answer(422), "HTTP 422"),
}
HEALING: dict[str, tuple[Answer | Fault, ...]] = {
    "three-times-500": (Answer(500), Answer(502), Answer(503)),
    "three-times-reset": (reset, reset, reset),
    "rate-limit": (Answer(429, LIMITED),),
    "retry-after": (Answer(429, {"Retry-After": "1"}),),
}
SERVICES = ("geckoboard", "hosted_graphite")


@dataclass(frozen=True)
class Runs:
    """Two runs that have ended, between which all faults were healed, and what the outbox held before and after."""

    site: Site
    first: Result
    listed: str
    pushed: dict[str, tuple[Request, ...]]
    """What came in the first run, by search."""
    second: Result
    listed_at_last: str


def name_of(service: str, fault: str) -> str:
    return f"{service}-{fault}"


def goes_to(name: str) -> Predicate:
    """Return whether a request is a push of this search: its name is the widget's or the metric's."""
    return lambda request: request.path.endswith(f"/{name}") or request.body.startswith(f"{name} ".encode())


def pushes(site: Site, name: str) -> tuple[Request, ...]:
    requests = site.geckoboard.requests + site.graphite.requests
    return tuple(filter(goes_to(name), requests))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Two runs: each push meets the fault that its search is named by in the first of them."""
    with opened_site(own_commands(tmp_path_factory.mktemp("kept") / "home")) as site:
        names = []
        for service, simulator, add in zip(
            SERVICES, (site.geckoboard, site.graphite), (site.line, site.series), strict=True
        ):
            for fault, case in (KEPT | SET_ASIDE).items():
                simulator.fail(case.fault, times=None, when=goes_to(name_of(service, fault)))
            for fault, faults in HEALING.items():
                simulator.fail(in_turn(*faults), times=None, when=goes_to(name_of(service, fault)))
            for fault in (*KEPT, *SET_ASIDE, *HEALING):
                names.append(name := name_of(service, fault))
                add(name, statement=statement_of(name))
                site.api.answers[statement_of(name)] = answer("timeseries")
        first = site.once()
        listed = site.commands.run("metrics-importer", "outbox", "list").stdout
        pushed = {name: pushes(site, name) for name in names}
        site.geckoboard.heal()
        site.graphite.heal()
        second = site.once()
        yield Runs(site, first, listed, pushed, second, site.commands.run("metrics-importer", "outbox", "list").stdout)


SEARCHES_THAT_FAIL = [name_of(service, fault) for service in SERVICES for fault in (*KEPT, *SET_ASIDE)]


def test_pushes_that_fail_are_told_in_one_line_each_and_make_the_run_exit_with_1(runs: Runs) -> None:
    assert runs.first.code == 1
    assert services_said(runs.first) == {name: name.partition("-")[0] for name in SEARCHES_THAT_FAIL}


@pytest.mark.parametrize("fault", KEPT)
@pytest.mark.parametrize("service", SERVICES)
def test_what_may_be_pushed_later_is_told_as_kept_with_the_reason(runs: Runs, service: str, fault: str) -> None:
    told = said(runs.first)[name_of(service, fault)]
    assert told.startswith("not pushed, kept: ")
    assert KEPT[fault].told in told
    if "the api_key of" in told:
        assert told.endswith(f"the api_key of {service}")


@pytest.mark.parametrize("fault", [*KEPT, *SET_ASIDE])
@pytest.mark.parametrize("service", SERVICES)
def test_a_push_is_repeated_only_where_that_may_help(runs: Runs, service: str, fault: str) -> None:
    tried = len(runs.pushed[name_of(service, fault)])
    halves = 8 if (service, fault) == ("hosted_graphite", "too-large") else 0  # five lines, down to each alone
    assert tried == (KEPT | SET_ASIDE)[fault].tried + halves


@pytest.mark.parametrize("fault", KEPT)
@pytest.mark.parametrize("service", SERVICES)
def test_what_was_kept_is_pushed_by_the_next_run_once_and_first(runs: Runs, service: str, fault: str) -> None:
    name = name_of(service, fault)
    before = runs.pushed[name]
    bodies = [request.body for request in pushes(runs.site, name)[len(before) :]]
    assert bodies == [before[0].body] * 2


def test_a_run_after_everything_was_put_right_exits_with_0_and_leaves_nothing_waiting(runs: Runs) -> None:
    assert (runs.second.code, runs.second.stderr) == (0, "")
    assert "Nothing waits to be delivered." in runs.listed_at_last


@pytest.mark.parametrize("fault", SET_ASIDE)
@pytest.mark.parametrize("service", SERVICES)
def test_what_will_never_be_taken_is_set_aside_and_shown_with_its_reason(runs: Runs, service: str, fault: str) -> None:
    name, reason = name_of(service, fault), SET_ASIDE[fault].told
    told = said(runs.first)[name]
    assert "payloads set aside (1): " in told
    assert reason in told
    for listed in (runs.listed, runs.listed_at_last):
        (line,) = [line for line in listed.splitlines() if f"{service}: {name} " in line]
        assert reason in line


@pytest.mark.parametrize("fault", SET_ASIDE)
@pytest.mark.parametrize("service", SERVICES)
def test_what_was_set_aside_is_not_pushed_by_the_next_run(runs: Runs, service: str, fault: str) -> None:
    name = name_of(service, fault)
    assert len(pushes(runs.site, name)) - len(runs.pushed[name]) == 1


@pytest.mark.parametrize("fault", HEALING)
@pytest.mark.parametrize("service", SERVICES)
def test_what_heals_within_four_tries_is_pushed_by_the_same_run(runs: Runs, service: str, fault: str) -> None:
    pushed = runs.pushed[name_of(service, fault)]
    assert len(pushed) == len(HEALING[fault]) + 1
    if fault == "retry-after":
        assert pushed[1].time - pushed[0].time >= 1


def test_what_was_set_aside_can_be_queued_again_by_hand(site: Site) -> None:
    site.series("web.errors")
    site.graphite.fail(Answer(400))
    assert site.once().code == 1
    assert site.commands.run("metrics-importer", "outbox", "retry", "--all").code == 0
    assert site.once().code == 0
    assert site.graphite.requests[1].body == site.graphite.requests[0].body
    assert len(site.graphite.requests) == 3


def test_a_destination_that_is_down_costs_its_searches_alone_and_nothing_is_lost(site: Site) -> None:
    site.line("chart")
    site.series("web.errors")
    site.write()
    site.graphite.stop()
    result = site.once()
    assert result.code == 1
    assert said(result).keys() == {"web.errors"}
    assert "connection refused" in said(result)["web.errors"]
    assert len(site.geckoboard.widgets["chart"]) == 1
    site.graphite.start()
    assert site.once().code == 0
    assert len(site.graphite.requests) == 2


def test_a_run_that_is_asked_to_stop_while_a_push_hangs_keeps_what_was_to_be_pushed(site: Site) -> None:
    hold = Hold()
    site.series("web.errors")
    site.api.answers[COUNT] = answer("timeseries")
    site.graphite.fail(hold)
    site.write()
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        site.graphite.wait_for(1)
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "what was obtained is kept" in told
    site.api.fail(Answer(400))
    site.once()
    assert [request.body for request in site.graphite.requests] == [site.graphite.requests[0].body] * 2


@pytest.mark.parametrize("headers", [{"Retry-After": "50"}, {"X-RateLimit-Reset": "50"}])
def test_a_stop_ends_the_wait_that_a_store_asks_for_and_keeps_the_payload(site: Site, headers: dict[str, str]) -> None:
    site.series("web.errors")
    site.api.answers[COUNT] = answer("timeseries")
    site.graphite.fail(Answer(429, headers), times=None)
    with serving(site) as service:
        service.wait_for_line("server wants a pause")
        ended = service.stop()
    assert ended.code == 0
    assert any("kept for later: " in line and "asked to stop" in line for line in ended.stdout)
    site.graphite.heal()
    site.api.fail(Answer(400))
    assert len(site.once().stderr.splitlines()) == 1
    assert [request.body for request in site.graphite.requests] == [site.graphite.requests[0].body] * 2


def test_what_was_kept_is_pushed_before_the_queries_are_answered(site: Site) -> None:
    hold = Hold()
    site.series("web.errors")
    site.graphite.fail(Answer(403))
    assert site.once().code == 1
    site.api.fail(hold)
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        first, second = site.graphite.wait_for(2)
        hold.release()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert first.body == second.body
    assert len(site.graphite.requests) == 3


def test_an_empty_series_is_no_request_to_graphite_and_no_failure(site: Site) -> None:
    site.series("web.errors")
    site.api.answers[COUNT] = answer("timeseries_empty")
    assert site.once().code == 0
    assert site.graphite.requests == ()


def test_an_answer_of_dummy_that_was_not_taken_is_told_and_not_kept(site: Site) -> None:
    site.search("example", {"service": "dummy", "push_url": f"{site.geckoboard.url}/dummy"})
    site.line("chart")
    site.geckoboard.fail(Answer(400, body=b"no"), when="/dummy")
    result = site.once()
    assert result.code == 1
    assert said(result)["example"] == "HTTP 400: no"
    site.geckoboard.fail(Answer(200), when="/dummy")
    assert site.once().code == 0
    assert len(site.geckoboard.requests_to("/dummy")) == 2


def test_dummy_puts_the_whole_answer_as_json(site: Site) -> None:
    site.search("example", {"service": "dummy", "push_url": f"{site.geckoboard.url}/dummy"})
    site.api.answers[COUNT] = answer("timeseries")
    site.geckoboard.fail(Answer(200), when="/dummy")
    assert site.once().code == 0
    (request,) = site.geckoboard.requests
    assert (request.method, request.headers["content-type"]) == ("PUT", "application/json")
    assert request.json() == {"payload": answer("timeseries")}


def carbon(site: Site, push_url: str, *, with_key: bool = True) -> None:
    """Add a search whose series goes to a carbon, and its answer; write the configuration."""
    destination = {"service": "hosted_graphite", "push_url": push_url, "metric_name": "shop.web.errors"}
    site.search("carbon", destination)
    site.api.answers[COUNT] = answer("timeseries")
    site.write()
    if not with_key:
        site.config.write_text(site.config.read_text().replace(f"[[hosted_graphite]]\napi_key = {API_KEY}\n", ""))


def run(site: Site, **options: object) -> Result:
    return site.run("start", "-c", site.config, "--once", **options)


EXPECTED = [
    (f"{API_KEY}.shop.web.errors", 1549383600.0 + 120 * number, value)
    for number, value in enumerate((31.0, 28.0, 0.0, 40.5, 33.0))
]


def test_over_tcp_each_name_begins_with_the_key(site: Site) -> None:
    with GraphiteReceiver() as receiver:
        carbon(site, f"tcp://127.0.0.1:{receiver.port}")
        assert run(site).code == 0
        assert [(point.name, point.timestamp, point.value) for point in receiver.points] == EXPECTED


def test_without_a_key_names_are_as_they_are_written(site: Site) -> None:
    with GraphiteReceiver() as receiver:
        carbon(site, f"tcp://127.0.0.1:{receiver.port}", with_key=False)
        assert run(site).code == 0
        assert {point.name for point in receiver.points} == {"shop.web.errors"}


@pytest.mark.parametrize("mode", [accept_then_close, reset_after(20)])
def test_what_a_receiver_swallowed_or_broke_off_is_kept_and_sent_by_the_next_run(site: Site, mode: object) -> None:
    with GraphiteReceiver(mode=mode) as receiver:  # type: ignore[arg-type]
        carbon(site, f"tcp://127.0.0.1:{receiver.port}")
        result = run(site)
        assert result.code == 1
        assert said(result)["carbon"].startswith("not pushed, kept: ")
        before = len(receiver.points)
        receiver.mode = normal
        assert run(site).code == 0
        assert [(point.name, point.timestamp, point.value) for point in receiver.points[before:]] == EXPECTED * 2


def test_a_carbon_that_is_down_is_told_and_gets_everything_once_it_is_back(site: Site) -> None:
    receiver = GraphiteReceiver()
    receiver.start()
    receiver.stop()
    carbon(site, f"tcp://127.0.0.1:{receiver.port}")
    result = run(site)
    assert result.code == 1
    assert "refused" in said(result)["carbon"]
    with receiver:
        assert run(site).code == 0
        assert len(receiver.wait_for_points(10)) == 10


def test_over_udp_datagrams_are_bounded_and_cut_between_lines(site: Site) -> None:
    series = [{"count": float(number)} for number in range(500)]
    with DatagramReceiver() as receiver:
        carbon(site, f"udp://127.0.0.1:{receiver.port}")
        content = statistics_answer(type="count", timeseries={"s": series}, granularity=1000, **{"from": 1549383600000})
        site.api.answers[COUNT] = content
        assert run(site).code == 0
        line = len(f"{API_KEY}.shop.web.errors 499.0 1549383600\n")
        datagrams = receiver.wait_for_datagrams(500 * line // 8192)
        assert len(datagrams) > 1
        assert all(len(datagram) <= 8192 and datagram.endswith(b"\n") for datagram in datagrams)
        assert [point.value for point in receiver.points] == [float(number) for number in range(500)]
        assert {point.name for point in receiver.points} == {f"{API_KEY}.shop.web.errors"}


def test_over_tls_the_certificate_is_checked_and_the_lines_come(site: Site) -> None:
    certificate = make_certificate(site.commands.home)
    with TlsGraphiteReceiver(certificate.server_context()) as receiver:
        carbon(site, f"tls://127.0.0.1:{receiver.port}")
        untrusted = run(site)
        assert untrusted.code == 1
        assert "certificate" in said(untrusted)["carbon"]
        assert receiver.points == ()
        assert run(site, env={"SSL_CERT_FILE": str(certificate.path)}).code == 0
        assert [(point.name, point.timestamp, point.value) for point in receiver.points] == EXPECTED * 2


def test_a_dataset_is_replaced_by_each_run(site: Site) -> None:
    destination = {"service": "geckoboard", "push_url": site.geckoboard.url, "widget_type": "dataset"}
    site.search("dataset", {**destination, "dataset": "web.requests", "name": "Requests"})
    site.api.answers[COUNT] = answer("timeseries")
    site.geckoboard.fail(Answer(403), when="/datasets/web.requests/data")
    assert site.once().code == 1
    assert site.once().code == 0
    dataset = site.geckoboard.datasets["web.requests"]
    assert [record["value"] for record in dataset.records] == [31.0, 28.0, 0.0, 40.5, 33.0]
    assert json.loads(site.geckoboard.requests[-1].body)["data"][0]["timestamp"] == "2019-02-05T16:20:00Z"
