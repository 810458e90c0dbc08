"""The command stats-client, as a user runs it: what it sends and prints, and the number with which it ends."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.simulators.base import HTML_PAGE, Answer
from importer.simulators.stats_service import TOKEN, StatsServiceSimulator
from tests.apteligent import unused_port
from tests.commands import Result

Run = Callable[..., Result]


@pytest.fixture
def service() -> Iterator[StatsServiceSimulator]:
    with StatsServiceSimulator() as simulator:
        yield simulator


@pytest.fixture
def run(service: StatsServiceSimulator, run_command: Callable[..., Result]) -> Run:
    """`run(*arguments)` runs stats-client against the service."""
    return lambda *arguments: run_command("stats-client", "--url", service.url, *arguments)


def test_an_event_is_stored_and_its_id_is_printed_and_logged(service: StatsServiceSimulator, run: Run) -> None:
    result = run("--access_token", TOKEN)
    ((event_id, event),) = service.events.items()
    assert (event["uid"], event["event"]) == ("test-id", "test.hello_world")
    assert (result.code, result.stdout) == (0, f"event_id {event_id}\n")
    time, message = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", f"INFO event_id {event_id}\n"
    assert re.fullmatch(rf"{time} importer\.cli\.stats_service\.client {message}", result.stderr)


def test_the_data_of_an_event_wins_over_the_options(service: StatsServiceSimulator, run: Run) -> None:
    data = {"uid": "user-5", "basket": {"items": 3}, "datetime": "2016-04-25T12:29:48"}
    assert run("--access_token", TOKEN, "--uid", "x", "--event", "shop.view", "--data", json.dumps(data)).code == 0
    (request,) = service.requests
    assert request.json() == {
        "uid": "user-5",
        "event": "shop.view",
        "basket_items": 3,
        "datetime": "2016-04-25T12:29:48",
    }


def test_the_token_may_be_in_a_file(service: StatsServiceSimulator, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert run("--access_token_file", path).code == 0
    assert len(service.events) == 1


def test_an_event_is_shown_by_its_id(service: StatsServiceSimulator, run: Run) -> None:
    run("--access_token", TOKEN)
    (event_id,) = service.events
    result = run("--access_token", TOKEN, "--get", event_id)
    assert result.code == 0
    assert json.loads(result.stdout) == service.events[event_id]


def test_a_ping_needs_no_token(service: StatsServiceSimulator, run: Run) -> None:
    result = run("--ping")
    assert (result.code, result.stdout.startswith("ping check OK: ")) == (0, True)
    assert json.loads(result.stdout.removeprefix("ping check OK: "))["name"] == "stats-service"
    assert "authorization" not in service.requests[0].headers


@pytest.mark.parametrize("arguments", [(), ("--get", "entry_x"), ("--access_token", "")])
def test_without_a_token_it_is_asked_for(service: StatsServiceSimulator, run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "stats-client: Please specify the --access_token to use.\n"
    assert service.requests == ()


@pytest.mark.parametrize("arguments", [("--get", "entry_x"), ("--data", "{}")])
def test_a_refused_token_is_a_failure_that_does_not_show_it(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("--access_token", "open-sesame", *arguments)
    assert (result.code, result.stdout) == (1, "")
    assert "status 403" in result.stderr
    assert "open-sesame" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_id_is_a_failure(run: Run) -> None:
    result = run("--access_token", TOKEN, "--get", "entry_nope")
    assert (result.code, result.stdout) == (1, "")
    assert "event entry_nope cannot be shown" in result.stderr
    assert "status 404" in result.stderr


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("{", "--data is not JSON"),
        ("", "--data is not JSON"),
        ("[" * 100_000, "--data is not JSON"),
        ("[]", "--data is not a JSON object"),
        ("null", "--data is not a JSON object"),
        ('{"a": NaN}', "--data is not JSON: NaN is no number that JSON has"),
    ],
)
def test_data_that_is_no_json_object_is_a_failure(
    service: StatsServiceSimulator, run: Run, data: str, reason: str
) -> None:
    result = run("--access_token", TOKEN, "--data", data)
    assert (result.code, result.stdout) == (1, "")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert service.requests == ()


@pytest.mark.parametrize("answer", [Answer.json({"message": "later"}, status=503), HTML_PAGE])
@pytest.mark.parametrize("arguments", [("--ping",), ("--access_token", TOKEN), ("--access_token", TOKEN, "--get", "x")])
def test_a_service_that_fails_is_a_failure(
    service: StatsServiceSimulator, run: Run, answer: Answer, arguments: tuple[str, ...]
) -> None:
    service.fail(answer)
    result = run(*arguments)
    assert (result.code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert f"127.0.0.1:{service.port}" in result.stderr


@pytest.mark.parametrize("arguments", [("--ping",), ("--access_token", TOKEN), ("--access_token", TOKEN, "--get", "x")])
def test_a_service_that_is_not_there_is_a_failure(
    run_command: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    port = unused_port()
    result = run_command("stats-client", "--url", f"http://127.0.0.1:{port}/base", *arguments)
    assert (result.code, result.stdout) == (1, "")
    assert f"127.0.0.1:{port}: connection refused" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pong",),
        ("extra",),
        ("--ping", "--get", "x"),
        ("--access_token", "x", "--access_token_file", "y"),
        ("--ping", "--url", "ftp://example.org"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.stderr.startswith("stats-client: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("content", "reason"), [(None, "does not exist"), (" \n", "is empty")])
def test_a_token_file_without_a_token_is_a_wrong_configuration(
    run: Run, tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    result = run("--access_token_file", path)
    assert result.code == 78
    assert result.stderr.startswith(f"stats-client: {path}: {reason}")


def test_a_token_that_no_header_can_hold_is_a_failure(run: Run) -> None:
    result = run("--access_token", "töken")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "stats-client: access_token holds characters that no header can\n"
