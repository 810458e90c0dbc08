"""A class as a user has it, run unchanged by the command against the simulated Splunk On-Call."""

import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from importer.errors import ExitCode
from importer.simulators.victorops import VictorOpsSimulator
from tests.commands import ROOT, Commands, Result
from tests.exporter.oldest_client import oldest_client, run_tests
from tests.exporter.site import samples, scraped
from tests.http_servers import Answer, book_server
from tests.servers.process import free_port, wait_until

__all__ = ["oldest_client"]

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
PAGE = ROOT / "docs" / "systems" / "collectington-class.rst"
WORKED_EXAMPLE = [
    ("triggered", "10:00:00"),
    ("acknowledged", "10:09:00"),
    ("acknowledged", "10:04:30"),
    ("resolved", "10:31:00"),
]


def answer(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return found


@pytest.fixture
def vendor() -> Iterator[VictorOpsSimulator]:
    with VictorOpsSimulator(is_once_a_minute=True) as simulator:
        simulator.api_id = "id-fixture"
        show(simulator, answer("victorops_incidents"))
        yield simulator


@pytest.fixture
def folder(commands: Commands, vendor: VictorOpsSimulator) -> Path:
    """The working directory, with the files of the example."""
    for path in (HERE / "example").glob("*.py"):
        shutil.copy(path, commands.home)
    shutil.copy(GOLDEN / "splunk.secret", commands.home / "splunk")
    config = json.loads((GOLDEN / "config_example.json").read_text())
    config["services"]["splunk"]["api_url"] = vendor.reporting_url
    (commands.home / "config.json").write_text(json.dumps(config))
    return commands.home


def show(vendor: VictorOpsSimulator, content: dict[str, Any]) -> None:
    vendor.incidents, vendor.total = content["incidents"], content["total"]


def once(commands: Commands, **environment: str) -> Result:
    return commands.run("cton", "-s", "splunk", "-c", "config.json", "--once", env=environment)


def own(text: str) -> str:
    """Return the lines of the example's own metrics, but for when they were made."""
    names = ("number_of_incidents", "time_taken_to_")
    lines = [
        line for line in text.splitlines() if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(names)
    ]
    return "".join(f"{line}\n" for line in lines if "_created" not in line)


def test_its_metrics_are_those_of_collectington(commands: Commands, folder: Path, vendor: VictorOpsSimulator) -> None:
    result = once(commands)
    assert result.code == ExitCode.OK
    assert own(result.stdout) == (GOLDEN / "exposition_example.txt").read_text()
    assert 'collectington_up{service="splunk"} 1.0' in result.stdout.splitlines()
    (request,) = vendor.requests
    assert request.query == {}
    assert request.headers["x-vo-api-key"] == "5f3c=with==equals"


def test_when_they_were_made_can_be_left_out(commands: Commands, folder: Path) -> None:
    result = once(commands, PROMETHEUS_DISABLE_CREATED_SERIES="True")
    assert "_created" not in result.stdout
    assert own(result.stdout) == (GOLDEN / "exposition_example.txt").read_text()


def test_the_oldest_client_gives_the_same(commands: Commands, folder: Path, oldest_client: Path) -> None:
    (folder / "client.py").write_text("import prometheus_client\nprint(prometheus_client.__file__)\n")
    module = folder / "splunk_api.py"
    module.write_text("import client\n" + module.read_text())
    result = once(commands, PYTHONPATH=str(oldest_client))
    assert own(result.stdout) == (GOLDEN / "exposition_example.txt").read_text()
    assert str(oldest_client) in result.stderr


def test_classes_do_the_same_with_the_oldest_client(oldest_client: Path) -> None:
    done = run_tests(
        oldest_client, "tests/exporter/user_class/test_api.py", "tests/exporter/user_class/test_decorators.py"
    )
    assert done.returncode == 0, done.stdout


def test_where_nothing_was_found_the_means_are_not_observed(
    commands: Commands, folder: Path, vendor: VictorOpsSimulator
) -> None:
    show(vendor, answer("victorops_incidents_none"))
    result = once(commands)
    assert [line for line in own(result.stdout).splitlines() if line[0] != "#"] == ["number_of_incidents_total 0.0"]
    assert result.code == ExitCode.OK


def test_the_worked_example_comes_out_as_worked(commands: Commands, folder: Path, vendor: VictorOpsSimulator) -> None:
    transitions = [{"name": name, "at": f"2026-01-05T{at}Z", "alertId": "1"} for name, at in WORKED_EXAMPLE]
    show(
        vendor,
        {"total": 57, "incidents": [{**answer("victorops_incidents")["incidents"][0], "transitions": transitions}]},
    )
    assert {
        "number_of_incidents_total 57.0",
        "time_taken_to_acknowledge_sum 4.0",
        "time_taken_to_acknowledge_count 1.0",
        "time_taken_to_resolve_sum 31.0",
        "time_taken_to_resolve_count 1.0",
    } <= set(own(once(commands).stdout).splitlines())


def test_a_wrong_key_is_told_without_it_and_nothing_is_made_of_the_answer(
    commands: Commands, folder: Path, vendor: VictorOpsSimulator
) -> None:
    vendor.api_key = "another"
    result = once(commands)
    assert result.code == ExitCode.FAILED
    assert own(result.stdout) == ""
    assert "403" in result.stderr
    assert "(bad key, or the rate limit)" in result.stderr
    assert "equals" not in result.stderr


def test_the_example_of_the_documents_gives_what_they_show(commands: Commands) -> None:
    blocks = re.findall(r"^\.\. code-block:: (\w+)\n\n((?:    .*\n|\n)+)", PAGE.read_text(), re.M)
    (code, config, given, shown) = [(kind, textwrap.dedent(text)) for kind, text in blocks]
    assert [kind for kind, _ in (code, config, given, shown)] == ["python", "json", "json", "text"]
    with book_server(Answer(200, given[1].encode())) as vendor:
        (commands.home / "shop_api.py").write_text(code[1])
        (commands.home / "config.json").write_text(config[1].replace("https://shop.example", vendor.url))
        result = commands.run("cton", "-s", "shop", "-c", "config.json", "--once")
    assert result.code == ExitCode.OK
    printed = [line for line in result.stdout.splitlines() if "collectington_" not in line and "_created" not in line]
    assert "\n".join(printed) == shown[1].strip()


def test_many_polls_ask_the_vendor_once_a_minute(commands: Commands, folder: Path, vendor: VictorOpsSimulator) -> None:
    config = json.loads((folder / "config.json").read_text())
    port = config["services"]["splunk"]["port"] = free_port("127.0.0.1")
    (folder / "config.json").write_text(json.dumps({**config, "api_call_intervals": 0.05}))

    def polled_thrice() -> dict[str, float]:
        try:
            found = samples(scraped(port))
        except OSError:  # not yet open
            return {}
        return found if found.get("time_taken_to_resolve_count", 0) >= 3 else {}

    with commands.start("cton", "-s", "splunk", "-c", "config.json"):
        found = wait_until(polled_thrice, lambda: "no three polls", deadline_seconds=15)
    assert found["number_of_incidents_total"] == 57
    assert found["time_taken_to_resolve_sum"] == 12 * found["time_taken_to_resolve_count"]
    assert vendor.request_count == 1
