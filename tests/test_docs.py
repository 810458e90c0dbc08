"""The documents tell what the code does: commands, options, configuration keys, metrics, exit codes."""

import argparse
import doctest
import importlib
import json
import pkgutil
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from inspect import signature
from pathlib import Path

import performanceplatform.collector
import pytest

from importer.cli.apteligent import files as apteligent_files
from importer.cli.command import Parser
from importer.collector import arguments, plugins
from importer.collector.collector_query import get_config
from importer.collector.documents import DataParser
from importer.collector.platform import read_platform
from importer.collector.pusher import Pusher
from importer.collector.run import Query
from importer.collector.webtrends_reports_entrypoint import V2Parser
from importer.config import ObjectReader, load_ini
from importer.destinations import load_destinations
from importer.errors import ConfigError, ExitCode
from importer.http_client import HttpClients
from importer.leexport.config import ConfigurationReader
from importer.leexport.outlet import SERVICES
from importer.sinks import PROTOCOLS
from importer.sinks.push_client import push_client
from importer.sources.apteligent import config, daily, grouped, live, services
from tests.commands import ROOT

README = (ROOT / "README.rst").read_text()
SYSTEMS = ROOT / "docs" / "systems"
EXAMPLES = ROOT / "etc" / "apteligent-importer"
SEARCHES = ROOT / "etc" / "leexportpy" / "config.ini"
PAGES = sorted([ROOT / "README.rst", ROOT / "CHANGELOG.rst", *ROOT.glob("docs/**/*.rst"), *ROOT.glob("docs/*.md")])

SCRIPTS = {script.name: script for script in distribution("metrics-importer").entry_points}
NAMES = sorted(name for name in SCRIPTS if not name.endswith(".py"))
"""NAME.py is NAME under the name that it had."""
OTHER_NAMES = {"leexport": "leexportpy"}
"""Has a page that leads to the page of the command."""
COMMANDS = [name for name in NAMES if name not in OTHER_NAMES]
SECTIONS = ["SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "WHEN SOMETHING IS DOWN"]
SECTIONS += ["FILES", "ENVIRONMENT", "EXIT STATUS", "SEE ALSO"]
OPTIONAL_SECTIONS = {"SIGNALS", "CONFIGURATION FILE", "YOUR OWN SERVICES"}

PAGE_OF_PROTOCOL = {"plain": "graphite", "pickle": "graphite", "dummy": "graphite"}
"""Where a protocol's page has another name than the protocol."""
CARBON: dict[str, object] = {"host": "127.0.0.1", "port": 2003}
INFLUXDB: dict[str, object] = {"url": "http://127.0.0.1:8086"}
DESCRIPTIONS: dict[str, list[dict[str, object]]] = {
    "influxdb": [{**INFLUXDB, "database": "shop"}, {**INFLUXDB, "bucket": "shop", "org": "acme", "token": "secret"}],
    "prometheus": [{"textfile": "importer.prom"}, {"port": 9117}, {"pushgateway": "http://127.0.0.1:9091"}],
    "kafka": [{"brokers": "127.0.0.1:9092", "topic": "metrics"}],
    "hosted_graphite": [{"push_url": "tcp://127.0.0.1:2003"}],
    "file": [{"path": "metrics.jsonl"}],
}
"""What a destination needs beside `protocol`, in each way in which it can be described; else CARBON."""

DESTINATIONS: dict[str, list[dict[str, str]]] = {
    "geckoboard": [
        {"widget_type": "line_chart", "push_url": "http://127.0.0.1/w", "name": "a"},
        {"widget_type": "number_stat", "push_url": "http://127.0.0.1/w", "text": "a"},
        {"widget_type": "dataset", "dataset": "web.requests"},
    ],
    "hosted_graphite": [{"push_url": "tcp://127.0.0.1", "metric_name": "a"}],
    "kafka": [{"brokers": "127.0.0.1:9092", "topic": "a"}],
    "graphite": [{"metric_name": "a", "host": "127.0.0.1", "port": "2003"}],
    "influxdb": [{"metric_name": "a", "url": "http://127.0.0.1", "database": "a"}],
    "prometheus": [{"metric_name": "a", "textfile": "a.prom"}],
    "sqlite": [{"metric_name": "a"}],
    "file": [{"metric_name": "a"}],
    "dummy": [{"push_url": "http://127.0.0.1"}],
}
"""[[[destination]]] of each service, without `service`, in each way in which it can be written."""
TITLES = {"name", "text"}
"""Are not asked for as other keys are, since a comma in them means nothing."""
METRICS = {
    "daily.METRIC": daily.METRICS,
    "live.METRIC": tuple(live.METRICS.values()),
    "groupedby.appversion.VERSION.METRIC": grouped.VERSION_METRICS,
    "groupedby.carrier.GROUP.METRIC": grouped.CARRIER_METRICS,
    "services.HOST.METRIC": services.METRICS,
}
LOCAL_PATH = re.compile(r"(?<![\w.}~-])/(?:(?:root|work|workspaces?|builds|Users)/|home/(?!ali\b))\w")
"""Where somebody's files lie on one machine; /home/ali is in a test's made-up world."""
REGISTRY = re.compile(
    r"(?:index-url|(?:PIP|UV)_INDEX_URL|trusted-host)|https?://[\w.-]*(?:pypi|pythonhosted|artifactory|nexus)"
)


class Parsed(Exception):
    """Ends a command once its command line is understood."""


def named(word: str, text: str) -> bool:
    """Return whether text has this word, and not only as a part of another one."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def manual(command: str) -> str:
    return (ROOT / "docs" / "man" / f"{command}.1.rst").read_text()


def page_of(protocol: str) -> str:
    """Return the page of a protocol, or of a service of searches."""
    return (SYSTEMS / f"{PAGE_OF_PROTOCOL.get(protocol, protocol)}.rst").read_text()


def read_search(folder: Path, service: str, destination: dict[str, str]) -> None:
    """Have a file read whose only search goes to a destination; it has to be without mistakes."""
    keys = "\n".join(f"{key} = {value}" for key, value in {"service": service, **destination}.items())
    path = folder / "config.ini"
    path.write_text(
        f"[LE]\nx_api_key = key\n[Services]\n[[{service}]]\napi_key = key\n[Searches]\n[[a]]\n[[[query]]]\nlogs = x\n"
        f"statement = count()\nquery_period = 60\nquery_range = 60\n[[[destination]]]\n{keys}\n"
    )
    found = ConfigurationReader(path, state=folder, clients=HttpClients(push_client), environ={}).read()
    assert found.problems == ()


def keys_in(section: dict[str, object]) -> Iterator[str]:
    """Yield the keys of a section and of those in it, but not the names of sections."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from keys_in(value)
        else:
            yield key


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git clone")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture
def signals_kept() -> Iterator[None]:
    """Gives back how signals are handled: a command that ends leaves them ignored, and processes inherit that."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.fixture
def parser_of(monkeypatch: pytest.MonkeyPatch, signals_kept: None) -> Callable[..., Parser]:
    """`parser_of(command, *arguments)` gives the parser of a command, once it has accepted the arguments."""
    original = Parser.parse_args

    def parse(command: str, *arguments: str) -> Parser:
        used: list[Parser] = []

        def parse_args(parser: Parser, argv: object, namespace: argparse.Namespace) -> None:
            used.append(parser)
            if arguments:
                original(parser, arguments, namespace)
            raise Parsed

        monkeypatch.setattr(Parser, "parse_args", parse_args)
        with pytest.raises(Parsed):
            SCRIPTS[command].load()([])
        return used[0]

    return parse


@pytest.fixture
def asked_keys(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The keys that any configuration object has been asked for."""
    asked: set[str] = set()
    original = ObjectReader.value

    def value(reader: ObjectReader, key: str) -> object:
        asked.add(key)
        return original(reader, key)

    monkeypatch.setattr(ObjectReader, "value", value)
    return asked


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a parser and of its sub-commands, and the names of these."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, sub_parser in action.choices.items():
                yield name
                yield from options_of(sub_parser)


def command_lines(page: Path) -> Iterator[list[str]]:
    """Yield the examples of a page, `$ COMMAND ...`, that call one of our commands."""
    for line in re.findall(r"^ +\$ (.+)(?<!\d s)$", page.read_text(), re.M):  # in the demo, what follows is the time
        words = shlex.split(re.split(r"\s[|>]\s|\s{3}", line)[0])
        if words[0] in NAMES:
            yield words


def documented_metrics() -> dict[str, tuple[str, ...]]:
    """Return the table of metrics on the vendor's page: name -> metrics, whose cell may go over some lines."""
    table = (SYSTEMS / "apteligent.rst").read_text().split("\n====")[3]
    rows = [tuple(re.split(r"\s{2,}", line)) for line in table.splitlines()[1:]]
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for first, *cells in rows:
        name = cells[0].strip("`") if first else name
        found[name] = (*found.get(name, ()), *cells[-1].split())
    return found


def test_marked_blocks_are_what_write_docs_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "write-docs", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "out of date: run `make docs`"


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_a_manual_page_and_is_in_the_readme(command: str) -> None:
    assert manual(command).startswith(f"{'=' * len(command)}\n{command}\n")
    assert re.search(rf"^(``)?{command}\b", README, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manual_page_names_every_option_of_its_command(command: str, parser_of: Callable[..., Parser]) -> None:
    options = set(options_of(parser_of(command)))
    assert "--help" in options
    assert [option for option in sorted(options) if not named(option, manual(command))] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manual_page_has_what_an_operator_looks_for(command: str) -> None:
    sections = re.findall(r"^([A-Z ]+)\n=+$", manual(command), re.M)
    assert [section for section in sections if section not in OPTIONAL_SECTIONS] == SECTIONS


@pytest.mark.parametrize(("name", "command"), OTHER_NAMES.items())
def test_another_name_of_a_command_has_a_page_that_leads_to_the_command(name: str, command: str) -> None:
    assert SCRIPTS[name].value == SCRIPTS[command].value
    assert f"The same program as **{command}**\\(1)" in manual(name)
    assert f"**{name}**" in manual(command).split("SEE ALSO")[0]


@pytest.mark.parametrize("command", NAMES)
def test_a_manual_page_leads_to_those_of_all_other_commands_and_to_no_others(command: str) -> None:
    others = re.findall(r"\*\*([\w-]+)\*\*\\\(1\)", manual(command).split("SEE ALSO\n====")[1])
    assert sorted(others) == [other for other in NAMES if other != command]


def test_the_manual_of_groupedby_tells_how_to_draw_running_totals() -> None:
    assert named("nonNegativeDerivative", manual("groupedby"))
    assert named("perSecond", manual("groupedby"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_are_understood(
    page: Path, parser_of: Callable[..., Parser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "load_json", lambda _path: {})  # the files that examples name are not there
    for command, *words in command_lines(page):
        parser_of(command, *words)


def test_examples_are_found() -> None:
    assert {page.name for page in PAGES if any(command_lines(page))} >= {"README.rst", "dailyjobs.1.rst"}


def test_an_example_that_is_wrong_is_noticed(parser_of: Callable[..., Parser]) -> None:
    with pytest.raises(SystemExit):
        parser_of("dailyjobs", "--twice")


def test_every_key_of_an_account_is_documented(asked_keys: set[str]) -> None:
    config.load_account(EXAMPLES / "apteligent.json")
    assert {"hostname", "password_file", "proxies"} <= asked_keys
    text = (SYSTEMS / "apteligent.rst").read_text()
    assert [key for key in sorted(asked_keys) if not named(key, text)] == []


def test_every_key_of_pingdom_is_documented(asked_keys: set[str], tmp_path: Path) -> None:
    (file,) = (file for file in apteligent_files.FILES if file.name == "pingdom.json")
    file.check(EXAMPLES / "pingdom.json", tmp_path)
    assert {"token_file", "appkey"} <= asked_keys
    text = (SYSTEMS / "apteligent.rst").read_text()
    assert [key for key in sorted(asked_keys) if not named(key, text)] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_has_a_page_that_names_its_keys(protocol: str, asked_keys: set[str], tmp_path: Path) -> None:
    path = tmp_path / "graphite.json"
    for description in DESCRIPTIONS.get(protocol, [CARBON]):
        path.write_text(json.dumps({"protocol": protocol, **description}))
        for sink in load_destinations(path, state=tmp_path):
            sink.close()
    assert {"protocol", "outbox_max_bytes"} < asked_keys
    text = page_of(protocol)
    assert [word for word in sorted({protocol, *asked_keys}) if not named(word, text)] == []


def test_every_key_of_the_files_of_pp_collector_is_documented(asked_keys: set[str], tmp_path: Path) -> None:
    content = {"data-set": {"data-group": "a", "data-type": "b"}, "entrypoint": "c", "query": {}}
    Query.from_content(content)
    read_platform({"backdrop_url": "http://127.0.0.1"}, {"token": "d"}, content["data-set"], state=tmp_path)
    with pytest.raises(ConfigError):
        get_config("e", {})
    assert {"entrypoint", "destination", "proxies", "token_file", "stagecraft_url"} <= asked_keys
    text = (SYSTEMS / "pp-collector.rst").read_text()
    assert [key for key in sorted(asked_keys) if not named(key, text)] == []


def test_every_option_and_plug_in_of_a_query_is_documented(asked_keys: set[str]) -> None:
    DataParser([], {}, "a")
    Pusher({}, {})
    V2Parser({"row_type_name": "b"}, "a")
    assert {"mappings", "plugins", "chunk-size", "row_type_name"} <= asked_keys
    text = (SYSTEMS / "pp-collector.rst").read_text()
    assert [word for word in sorted({*asked_keys, *plugins._NAMES}) if not named(word, text)] == []


def test_every_entrypoint_is_documented() -> None:
    package = performanceplatform.collector.__name__
    modules = pkgutil.walk_packages(performanceplatform.collector.__path__, f"{package}.")
    mains = {name: getattr(importlib.import_module(name), "main", None) for _, name, _ in modules}
    entrypoints = {name for name, main in mains.items() if main and "credentials" in signature(main).parameters}
    text = (SYSTEMS / "pp-collector.rst").read_text().split("\nEntrypoints\n")[1]
    written = re.findall(rf"``((?:{re.escape(package)})?\.[\w.]+)``", text)
    assert f"{package}.ga.contrib.content.table" in entrypoints
    assert entrypoints <= {name if name.startswith(package) else f"{package}{name}" for name in written}


def test_every_key_of_the_query_api_and_of_a_query_is_documented(asked_keys: set[str], tmp_path: Path) -> None:
    read_search(tmp_path, "dummy", {})
    of_query_api = asked_keys - {"service", "api_key", "api_key_file", "push_url"}
    assert {"rw_api_key", "x_api_key", "region", "url", "query_period", "time_range", "statement"} <= of_query_api
    text = (SYSTEMS / "logentries.rst").read_text()
    assert [key for key in sorted(of_query_api) if not named(key, text)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_key_of_a_destination_of_searches_is_documented(
    service: str, asked_keys: set[str], tmp_path: Path
) -> None:
    read_search(tmp_path, "dummy", {})
    of_every_search = frozenset(asked_keys) - {"push_url"}
    for destination in DESTINATIONS[service]:
        read_search(tmp_path, service, destination)
    written = {key for destination in DESTINATIONS[service] for key in destination}
    assert written - TITLES <= asked_keys
    text = manual("leexportpy") + ("" if service == "dummy" else page_of(service))
    wanted = {service, "service", "api_key", *written, *(asked_keys - of_every_search)}
    assert [key for key in sorted(wanted) if not named(key, text)] == []


def test_every_key_of_the_example_of_searches_is_documented() -> None:
    pages = [manual("leexportpy"), *((SYSTEMS / f"{name}.rst").read_text() for name in ("logentries", "geckoboard"))]
    keys = set(keys_in(load_ini(SEARCHES, verbatim=["statement"])))
    assert {"rw_api_key", "statement", "service", "metric_name"} <= keys
    assert [key for key in sorted(keys) if not any(named(key, page) for page in pages)] == []


@pytest.mark.parametrize("variable", ["LEEXPORTPY_SERVICES", "PID_DIR", "services_dir"])
def test_what_leexportpy_reads_besides_is_in_its_manual(variable: str) -> None:
    assert named(variable, manual("leexportpy"))


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.iterdir()))
def test_every_configuration_file_is_documented_with_who_reads_it(file: str) -> None:
    text = (SYSTEMS / "apteligent.rst").read_text()
    section = re.search(rf"^{re.escape(file)}\n~+\n(.*?)(?=\n\S+\n[~-]{{5}})", text, re.M | re.S)
    assert section is not None
    assert re.search(r"\b[Rr]ead\s+by\b", section[1])


def test_documented_metrics_are_those_that_are_asked_for() -> None:
    assert documented_metrics() == METRICS


def test_the_readme_explains_every_exit_code() -> None:
    explained = README.split("Exit codes\n")[1].split("write-docs: end")[0]
    assert [int(code) for code in re.findall(r"^(\d+)\n    \S", explained, re.M)] == sorted(ExitCode)


def test_the_first_screen_of_the_readme_holds_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:25])
    commands = re.findall(r"^ +\$ (.+?)(?:  |$)", first_screen, re.M)
    assert [command.strip() for command in commands] == ["make run", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_refers_to_exists(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"<([\w./-]+)>`_|\]\(([\w./-]+)\)", text)
    missing = [link for pair in links if not (page.parent / (link := "".join(pair))).exists()]
    paths = re.findall(r"(?<![\w./-])((?:docs|importer|etc|tests|tools)/[\w./-]*[\w/])", text)
    assert missing + [path for path in paths if not (ROOT / path).exists()] == []


def test_the_way_of_a_point_is_as_the_architecture_tells_it() -> None:
    results = doctest.testfile(str(ROOT / "docs/architecture.md"), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    first = re.findall(r"^(.+)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.M)[0]
    assert first == "Unreleased"


@pytest.mark.parametrize("pattern", [LOCAL_PATH, REGISTRY], ids=["local path", "package registry"])
def test_no_file_names_the_machine_that_it_was_written_on(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), start=1)
        if (match := pattern.search(line))
    ]
    assert found == []


def test_local_paths_and_registries_are_recognized() -> None:
    assert LOCAL_PATH.search("see /home/somebody/clone")
    assert LOCAL_PATH.search("/root/clone")
    assert not LOCAL_PATH.search("~/work/x, $HOME/work/x, /workers/x, /home/ali/x")
    assert REGISTRY.search("--index-url https://mirror.example/simple")


def test_a_wrong_example_configuration_would_be_told(tmp_path: Path) -> None:
    """The loaders that the tests above run do look at the keys."""
    path = tmp_path / "apteligent.json"
    path.write_text('{"hostnam": ""}')
    with pytest.raises(ConfigError):
        config.load_account(path)
