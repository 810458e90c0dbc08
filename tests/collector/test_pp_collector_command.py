"""pp-collector as cron runs it: files, a vendor, a data set, and what goes wrong with each of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from importer.simulators.backdrop import BackdropSimulator, DataSet
from importer.simulators.http_wire import Answer
from importer.simulators.pingdom import TOKEN, PingdomSimulator
from tests.commands import Commands, Result
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
    assert "HTTP POST to" in result.stderr
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


@pytest.mark.parametrize("status", [401, 403, 404])
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
