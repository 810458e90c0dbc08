"""pp-collector as cron runs it: files, a vendor, a data set, and what goes wrong with each of them."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from importer.simulators.backdrop import BackdropSimulator, DataSet
from importer.simulators.base import HTML_PAGE, never
from importer.simulators.http_wire import Answer
from importer.simulators.pingdom import TOKEN, PingdomSimulator
from importer.simulators.stagecraft import TOKEN as STAGECRAFT_TOKEN
from importer.simulators.stagecraft import StagecraftSimulator
from tests.commands import ROOT, Commands, Result
from tests.running import Running

DATES = ("-s", "2026-11-01", "-e", "2026-11-02")
SET_TOKEN = "t0ken-of-the-set"


@dataclass
class Site:
    """The four files of a collection of Pingdom's figures, beside a vendor and a data set."""

    commands: Commands
    pingdom: PingdomSimulator
    backdrop: BackdropSimulator
    data_set: DataSet
    query: dict[str, object] = field(default_factory=dict)
    platform: dict[str, object] = field(default_factory=dict)
    token: dict[str, object] = field(default_factory=lambda: {"token": SET_TOKEN})
    credentials: dict[str, object] = field(default_factory=dict)

    def arguments(self, *more: str) -> list[str | Path]:
        """Write the files and return the command line."""
        named = {"-q": self.query, "-c": self.credentials, "-t": self.token, "-b": self.platform}
        arguments: list[str | Path] = []
        for (option, content), name in zip(named.items(), ("query", "credentials", "token", "platform"), strict=True):
            path = self.commands.home / f"{name}.json"
            path.write_text(json.dumps(content))
            arguments += [option, path]
        return [*arguments, *more]

    def run(self, *more: str) -> Result:
        """Run the command for two days."""
        return self.commands.run("pp-collector", *self.arguments(*(more or DATES)))


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop:
        data_set = backdrop.add_data_set("tax-disc", "monitoring", token=SET_TOKEN)
        yield Site(
            commands,
            pingdom,
            backdrop,
            data_set,
            query={
                "entrypoint": "performanceplatform.collector.pingdom",
                "data-set": {"data-group": "tax-disc", "data-type": "monitoring"},
                "query": {"name": pingdom.checks[0].name},
                "options": {},
            },
            platform={"backdrop_url": backdrop.data_url},
            credentials={"token": TOKEN, "url": pingdom.url_3_1},
        )


def test_a_collection_is_in_the_data_set_and_a_second_one_replaces_it(site: Site) -> None:
    for _ in range(2):
        result = site.run()
        assert (result.code, result.stdout, result.stderr) == (0, "", "")
        assert len(site.data_set.records) == 24
    assert (site.commands.log_dir / "production.log").read_text().count("logging started") == 2


def test_the_log_for_machines_has_an_object_a_line(site: Site) -> None:
    assert site.run().code == 0
    lines = (site.commands.log_dir / "production.json.log").read_text().splitlines()
    first = json.loads(lines[0])
    assert first["@message"] == "performanceplatform.collector.pingdom logging started"
    assert first["@tags"] == ["collector", "performanceplatform.collector.pingdom"]
    assert first["@fields"]["data_group_data_type"] == "tax-disc/monitoring"
    assert first["@fields"]["query"] == f"name={site.pingdom.checks[0].name}"


def test_on_the_console_lines_begin_with_their_level(site: Site) -> None:
    result = site.run(*DATES, "--console-logging")
    assert result.code == 0
    assert result.stderr.startswith("INFO:root:performanceplatform.collector.pingdom logging started\n")
    assert not (site.commands.log_dir / "production.log").exists()


def test_a_dry_run_shows_what_would_be_posted_and_posts_nothing(site: Site) -> None:
    result = site.run(*DATES, "--dry-run")
    assert result.code == 0
    assert site.data_set.records == []
    address = f"{site.backdrop.data_url}/tax-disc/monitoring"
    assert f'INFO:root:HTTP POST to "{address}"\nheaders: {{' in result.stderr
    assert SET_TOKEN not in result.stderr
    assert not list(site.commands.state_dir.glob("*.outbox"))


def test_what_a_data_set_does_not_take_now_is_sent_first_by_the_next_run(site: Site) -> None:
    site.backdrop.fail(Answer(503), times=None)
    first = site.run("-s", "2026-11-01", "-e", "2026-11-02")
    assert first.code == 1
    assert "Max retries exceeded for" in first.stderr
    assert SET_TOKEN not in first.stderr
    site.backdrop.heal()
    assert site.run("-s", "2026-11-02", "-e", "2026-11-03").code == 0
    times = [str(record["_timestamp"])[:10] for record in site.data_set.records]
    assert times == ["2026-11-01"] * 24 + ["2026-11-02"] * 24


def test_what_waits_for_one_data_set_never_goes_to_another(site: Site) -> None:
    other = site.backdrop.add_data_set("tax-disc", "other", token=SET_TOKEN)
    site.token = {"token": "wrong"}
    assert site.run().code == 1
    site.token = {"token": SET_TOKEN}
    site.query["data-set"] = {"data-group": "tax-disc", "data-type": "other"}
    assert site.run("-s", "2026-11-05", "-e", "2026-11-06").code == 0
    assert {str(record["_timestamp"])[:10] for record in other.records} == {"2026-11-05"}
    assert site.data_set.records == []


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
def test_a_data_set_that_refuses_us_ends_the_run_after_one_request_and_keeps_everything(
    site: Site, status: int
) -> None:
    site.query["options"] = {"chunk-size": 10}
    site.backdrop.fail(Answer(status), times=None)
    result = site.run()
    assert result.code == 1
    assert len(site.backdrop.requests) == 1
    assert f"HTTP {status}" in result.stderr
    site.backdrop.heal()
    assert site.run("-s", "2026-11-02", "-e", "2026-11-03").code == 0
    assert len(site.data_set.records) == 48


def test_a_chunk_that_is_refused_is_set_aside_and_the_next_ones_go_on(site: Site) -> None:
    site.query["options"] = {"chunk-size": 10}
    site.backdrop.fail(Answer.json({"status": "error", "message": "bad chunk"}, status=400), times=1)
    result = site.run()
    assert result.code == 1
    assert "bad chunk" in result.stderr
    assert len(site.data_set.records) == 14


def test_the_vendor_that_refuses_us_is_told_in_one_line(site: Site) -> None:
    site.credentials["token"] = "a-wrong-one"
    result = site.run()
    assert result.code == 1
    assert "401" in result.stderr
    assert "a-wrong-one" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_disabled_collector_asks_nobody(site: Site) -> None:
    arguments = site.arguments("--console-logging")
    result = site.commands.run("pp-collector", *arguments, env={"DISABLE_COLLECTORS": "true"})
    assert result.code == 0
    assert "Collector performanceplatform.collector.pingdom NOT run with the following" in result.stderr
    assert not site.pingdom.requests


def test_records_go_to_other_stores_as_points(site: Site) -> None:
    out = site.commands.home / "out.jsonl"
    site.platform = {"destination": [{"protocol": "sqlite"}, {"protocol": "file", "path": str(out)}]}
    site.token = {}
    assert site.run().code == 0
    assert json.loads(out.read_text().splitlines()[0])["check"] == site.pingdom.checks[0].name
    shown = site.commands.run("metrics-importer", "show", "-p", "pp-collector", "tax-disc.monitoring.uptime")
    assert "tax-disc.monitoring.uptime" in shown.stdout
    assert not site.backdrop.requests


@pytest.mark.parametrize(
    ("part", "content", "told"),
    [
        ("query", {"data-set": {"data-group": "a", "data-type": "b"}, "query": {}}, "entrypoint"),
        ("query", {"entrypoint": "json", "query": {}}, "data-set"),
        ("query", {"entrypoint": "json", "data-set": {"data-group": "a"}, "query": {}}, "data-type"),
        ("query", {"entrypoint": "json", "data-set": {"data-group": "a", "data-type": "b"}, "query": {}}, "no main"),
        ("query", {"entrypoint": "no.such", "data-set": {"data-group": "a", "data-type": "b"}, "query": {}}, "no.such"),
        ("platform", {}, "backdrop_url"),
        ("platform", {"backdrop_url": "ftp://x"}, "backdrop_url"),
        ("platform", {"destination": {"protocol": "pigeon"}}, "destination"),
        ("token", {}, "token"),
    ],
)
def test_wrong_contents_are_told_with_file_and_key(
    site: Site, part: str, content: dict[str, object], told: str
) -> None:
    setattr(site, part, content)
    result = site.run()
    assert result.code == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_file_that_holds_no_object_is_a_wrong_command_line(site: Site, text: str) -> None:
    arguments = site.arguments()
    (site.commands.home / "query.json").write_text(text)
    result = site.commands.run("pp-collector", *arguments)
    assert result.code == 2
    assert "usage:" in result.stderr
    assert "query.json" in result.stderr


def test_a_date_that_is_none_is_a_wrong_command_line(site: Site) -> None:
    result = site.run("-s", "someday")
    assert (result.code, "someday" in result.stderr) == (2, True)


def test_a_collector_of_the_users_own_is_found_on_the_python_path(site: Site) -> None:
    package = site.commands.home / "own" / "performanceplatform" / "collector" / "mine"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_text(
        "from performanceplatform.utils.data_pusher import Pusher\n"
        "def main(credentials, data_set_config, query, options, start_at, end_at):\n"
        "    Pusher(data_set_config, options).push([{'_id': 'a', '_timestamp': start_at, 'count': 3}])\n"
    )
    site.query["entrypoint"] = "performanceplatform.collector.mine"
    env = {"PYTHONPATH": str(site.commands.home / "own")}
    result = site.commands.run("pp-collector", *site.arguments(*DATES), env=env)
    assert (result.code, result.stderr) == (0, "")
    assert site.data_set.records == [{"_id": "a", "_timestamp": "2026-11-01T00:00:00+00:00", "count": 3}]


def test_sigterm_ends_it_with_1_and_what_was_kept_is_sent_later(site: Site) -> None:
    site.backdrop.fail(Answer(503), times=None)
    with site.commands.start("pp-collector", *site.arguments(*DATES, "--console-logging")) as process:
        running = Running(process, logs_to_stderr=True)
        running.wait_for_error("request is repeated")
        assert running.stop().code == 1
    site.backdrop.heal()
    assert site.run("-s", "2026-11-02", "-e", "2026-11-03").code == 0
    assert len(site.data_set.records) == 48


def test_an_exception_of_a_users_collector_is_one_line_and_named_in_the_log_for_machines(site: Site) -> None:
    module = site.commands.home / "own" / "broken_collector.py"
    module.parent.mkdir()
    module.write_text("def main(*arguments):\n    raise KeyError('visits')\n")
    site.query["entrypoint"] = "broken_collector"
    env = {"PYTHONPATH": str(module.parent)}
    result = site.commands.run("pp-collector", *site.arguments(*DATES), env=env)
    assert result.code == 1
    assert result.stderr == "ERROR:root:Unhandled exception: broken_collector: KeyError: 'visits'\n"
    last = json.loads((site.commands.log_dir / "production.json.log").read_text().splitlines()[-1])
    assert (last["@fields"]["exception_class"], last["@fields"]["exception_message"]) == ("KeyError", "'visits'")
    assert "Traceback" not in (site.commands.log_dir / "production.log").read_text()
    debugged = site.commands.run("pp-collector", *site.arguments(*DATES), env={**env, "LOGLEVEL": "DEBUG"})
    assert "Traceback" in debugged.stderr


def own_collector(site: Site, *lines: str) -> dict[str, str]:
    """Let the query name a collector whose `main` has these lines; return the environment that finds it."""
    module = site.commands.home / "own" / "own_collector.py"
    module.parent.mkdir(exist_ok=True)
    body = "".join(f"    {line}\n" for line in lines)
    module.write_text(
        "import threading\n"
        "from performanceplatform.utils.data_pusher import Pusher\n"
        f"def main(credentials, data_set_config, query, options, start_at, end_at):\n{body}"
    )
    site.query["entrypoint"] = "own_collector"
    return {"PYTHONPATH": str(module.parent)}


def test_a_kept_request_that_is_set_aside_now_fails_the_run(site: Site) -> None:
    site.token = {"token": "wrong"}
    assert site.run().code == 1
    site.token = {"token": SET_TOKEN}
    site.backdrop.fail(Answer.json({"status": "error", "message": "bad chunk"}, status=400), times=1)
    result = site.run("-s", "2026-11-05", "-e", "2026-11-06")
    assert (result.code, "1 requests set aside: HTTP 400: bad chunk" in result.stderr) == (1, True)
    assert {str(record["_timestamp"])[:10] for record in site.data_set.records} == {"2026-11-05"}


def test_a_wrong_token_is_tried_once_though_something_was_kept(site: Site) -> None:
    site.token = {"token": "wrong"}
    for count in (1, 2):
        result = site.run()
        assert (result.code, result.stderr.count("HTTP 401")) == (1, 1)
        assert len(site.backdrop.requests) == count
    site.token = {"token": SET_TOKEN}
    assert site.run().code == 0


def test_names_of_a_data_set_are_quoted_in_its_address(site: Site) -> None:
    site.data_set = site.backdrop.add_data_set("b\u00fcro 1", "be-suche?", token=SET_TOKEN)
    site.query["data-set"] = {"data-group": "b\u00fcro 1", "data-type": "be-suche?"}
    result = site.run()
    assert (result.code, result.stderr, len(site.data_set.records)) == (0, "", 24)


def test_what_a_collector_pushed_before_it_failed_is_delivered(site: Site) -> None:
    env = own_collector(
        site, "Pusher(data_set_config, options).push([{'_id': 'a', 'visits': 1}])", "raise OSError('x')"
    )
    result = site.commands.run("pp-collector", *site.arguments(), env=env)
    assert (result.code, "OSError: x" in result.stderr) == (1, True)
    assert site.data_set.records == [{"_id": "a", "visits": 1}]


def test_no_collector_that_catches_everything_holds_up_sigterm(site: Site) -> None:
    env = own_collector(
        site,
        "try:",
        "    print('here', flush=True)",
        "    threading.Event().wait()",
        "except Exception:",
        "    threading.Event().wait()",
    )
    with site.commands.start("pp-collector", *site.arguments(), env=env) as process:
        running = Running(process)
        running.wait_for_line("here")
        ended = running.stop()
    assert ended.code == 1
    assert ended.stderr == ["ERROR:root:ended by SIGTERM; what was kept is sent by the next run"]


def test_a_run_that_is_ended_while_stagecraft_is_asked_has_failed(site: Site) -> None:
    with StagecraftSimulator() as stagecraft:
        stagecraft.fail(never, times=None)
        site.platform |= {"stagecraft_url": stagecraft.url, "omniscient_api_token": STAGECRAFT_TOKEN}
        arguments = site.arguments("-l", "tax-disc-monitoring")[2:]
        with site.commands.start("pp-collector", *arguments) as process:
            running = Running(process)
            stagecraft.wait_for(1)
            ended = running.stop(signal.SIGINT)
    assert ended.code == 1
    assert ended.stderr == ["pp-collector: ended by SIGINT; what was kept is sent by the next run"]


def test_on_a_terminal_the_vendors_answers_are_counted(site: Site) -> None:
    env = own_collector(
        site,
        "from importer.cli import progress",
        "progress.INTERVAL_SECONDS = 0",
        "from performanceplatform.collector.pingdom import main",
        "main(credentials, data_set_config, query, options, start_at, end_at)",
    )
    controller, terminal = pty.openpty()
    command = [sys.executable, str(ROOT / "bin" / "pp-collector"), *map(str, site.arguments(*DATES))]
    done = subprocess.run(command, stderr=terminal, env=site.commands.environment | env, timeout=60, check=False)
    os.close(terminal)
    shown = os.read(controller, 4096).decode()
    os.close(controller)
    assert done.returncode == 0
    assert "pp-collector: 2 answers" in shown
    assert shown.endswith("\r")


def test_no_secret_of_a_query_is_in_the_log_for_machines(site: Site) -> None:
    site.query["query"] = {"name": site.pingdom.checks[0].name, "note": f"token={SET_TOKEN}"}
    assert site.run().code == 0
    assert site.run(*DATES, "--dry-run").code == 0
    logged = (site.commands.log_dir / "production.json.log").read_text()
    assert "note=token=***" in logged.splitlines()[-1]


def kill_while_it_waits_for(server: PingdomSimulator | BackdropSimulator, site: Site, *, requests: int) -> None:
    """Start a run, and kill it once a server has this many requests of it, the last of which it does not answer."""
    before = server.request_count
    for count in range(requests):
        server.fail(never if count == requests - 1 else (lambda exchange: exchange.proceed()))
    with site.commands.start("pp-collector", *site.arguments(*DATES)) as process:
        server.wait_for(before + requests)
        Running(process).kill()
    server.heal()


@pytest.mark.parametrize(
    ("at_vendor", "requests"),
    [(True, 1), (True, 2), (False, 1), (False, 2), (False, 3), (False, 4)],
    ids=["checks", "hours", "first-kept", "second-kept", "own-first", "own-second"],
)
def test_a_run_that_is_killed_at_any_step_with_a_backlog_loses_nothing(
    site: Site, *, at_vendor: bool, requests: int
) -> None:
    site.query["options"] = {"chunk-size": 12}
    site.token = {"token": "wrong"}
    assert site.run("-s", "2026-10-31", "-e", "2026-11-01").code == 1
    site.token = {"token": SET_TOKEN}
    kill_while_it_waits_for(site.pingdom if at_vendor else site.backdrop, site, requests=requests)
    assert site.run("-s", "2026-11-02", "-e", "2026-11-03").code == 0
    days = {str(record["_timestamp"])[:10] for record in site.data_set.records}
    own = set() if at_vendor or requests < 3 else {"2026-11-01"}
    assert days == {"2026-10-31", "2026-11-02"} | own
    assert len(site.data_set.records) == 24 * len(days)


def test_two_runs_at_once_both_come_to_their_end(site: Site) -> None:
    site.backdrop.latency_seconds = 0.2
    site.query["options"] = {"chunk-size": 8}
    arguments = site.arguments(*DATES)
    with (
        site.commands.start("pp-collector", *arguments) as one,
        site.commands.start("pp-collector", *arguments) as other,
    ):
        assert [process.wait(30) for process in (one, other)] == [0, 0]
    assert len(site.data_set.records) == 24


def test_a_web_page_is_no_answer_of_a_data_set(site: Site) -> None:
    site.backdrop.fail(HTML_PAGE, times=1)
    result = site.run()
    assert (result.code, "HTTP 200: a web page" in result.stderr) == (1, True)
    assert site.run("-s", "2026-11-02", "-e", "2026-11-03").code == 0
    assert len(site.data_set.records) == 48


def test_records_that_are_too_many_at_once_go_in_halves(site: Site) -> None:
    site.backdrop.fail(Answer(413), times=2)
    result = site.run()
    assert (result.code, result.stderr, len(site.data_set.records)) == (0, "", 24)
    assert site.backdrop.request_count == 5  # 24 and 12 are too many; 6, 6 and 12 are not


def test_of_halves_only_the_one_that_is_refused_is_set_aside(site: Site) -> None:
    site.backdrop.fail(Answer(413), times=1)
    site.backdrop.fail(Answer.json({"status": "error", "message": "bad half"}, status=400), times=1)
    result = site.run()
    assert (result.code, "1 requests set aside: HTTP 400: bad half" in result.stderr) == (1, True)
    assert len(site.data_set.records) == 12
    kept = site.commands.run("metrics-importer", "outbox", "list", "-p", "pp-collector")
    assert "bad half" in kept.stdout


def test_without_a_place_for_log_files_the_console_has_the_log(site: Site) -> None:
    (site.commands.home / "tmp" / f"pp-collector-{os.getuid()}").write_text("somebody else's")
    result = site.commands.run("pp-collector", *site.arguments(*DATES), env={"LOG_DIR": None})
    assert (result.code, len(site.data_set.records)) == (0, 24)
    assert "WARNING:root:no log files: " in result.stderr
    assert "INFO:root:Running collection into tax-disc/monitoring" in result.stderr
