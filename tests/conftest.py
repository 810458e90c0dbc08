"""What every test gets: a closed network, an environment of its own, hypothesis profiles, commands, servers."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING

import hypothesis
import pytest

from importer import credentials
from tests.commands import DIRECTORIES, Commands, Result, isolated_environment
from tests.network_guard import close_network
from tests.servers import (
    CarbonCache,
    CarbonRelay,
    Influxdb,
    Nats,
    Prometheus,
    PrometheusPushgateway,
    VictoriaMetrics,
    why_missing,
)
from tests.servers.debian import in_ci
from tests.servers.kafka_jars import why_no_broker

if TYPE_CHECKING:
    from tests.servers.kafka import MockKafka
    from tests.servers.kafka_broker import KafkaBroker

SERVER_FIXTURES = {
    "carbon_cache": ["carbon-cache"],
    "carbon_relay": ["carbon-c-relay", "carbon-cache"],
    "victoria_metrics": ["victoria-metrics"],
    "influxdb": ["influxd"],
    "prometheus": ["prometheus"],
    "pushgateway": ["prometheus-pushgateway"],
    "nats": ["nats-server"],
    "chromium": ["chromium-headless-shell"],
}
"""Fixture -> the programs it runs; whoever asks for the fixture gets their `server` marks."""

SYSTEMD_DIRECTORIES = (
    "CONFIGURATION_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
)
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

# quick: while writing code. ci: more examples, the same ones in every run. package: few and always the same,
# for builds of the Debian package.
hypothesis.settings.register_profile("quick", max_examples=50, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.register_profile("package", max_examples=50, deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if in_ci() else "quick"))


def pytest_configure(config: pytest.Config) -> None:
    """Close the network, for the import of test modules too, and let commands see signals that we are to ignore.

    nohup has SIGHUP ignored, and a shell the SIGINT of what it runs in the background; children would inherit that.
    """
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    close_network(patch)
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)  # not inherited, as being ignored is


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that asks for a server's fixture, so that `-m server` selects it."""
    for fixture in getattr(item, "fixturenames", ()):
        for program in SERVER_FIXTURES.get(fixture, ()):
            item.add_marker(pytest.mark.server(program))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose server is not installed; in CI, where nothing may be skipped so, let it fail."""
    for mark in item.iter_markers("server"):
        for reason in filter(None, map(why_missing, mark.args)):
            if in_ci():
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path) -> Iterator[None]:
    """Hide the developer's home, directories, proxies and time zone, and other tests' secrets, from code run here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "_redactor", credentials.Redactor())
        for variable in (*DIRECTORIES, *SYSTEMD_DIRECTORIES, *PROXIES, *CERTIFICATES):
            patch.delenv(variable, raising=False)
            patch.delenv(variable.upper(), raising=False)
        patch.setenv("HOME", str(tmp_path))
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def _logging_levels() -> dict[str, int]:
    return {name: logging.getLogger(name).level for name in ("", "importer")}


@pytest.fixture(autouse=True)
def _same_logging() -> Iterator[None]:
    """Fail a test that leaves loggers with other levels: those who come later would hear more, or less."""
    before = _logging_levels()
    yield
    after = _logging_levels()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    assert after == before


@pytest.fixture
def set_time_zone(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that moves this process to a time zone, for the rest of the test."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    return move


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Our commands in an environment of their own; a test may write to `commands.config_dir` and the like."""
    home = tmp_path / "home"
    return Commands(home, isolated_environment(home))


@pytest.fixture
def run_command(commands: Commands) -> Callable[..., Result]:
    """`run_command(name, *arguments, env={}, stdin="", timeout_seconds=60)` runs bin/name to its end."""
    return commands.run


@pytest.fixture
def start_command(commands: Commands) -> Iterator[Callable[..., Popen[str]]]:
    """`start_command(name, *arguments, env={})` starts bin/name, which is ended and reaped after the test."""
    with ExitStack() as stack:

        def start(name: str, *arguments: str | Path, **options: dict[str, str | None]) -> Popen[str]:
            running: AbstractContextManager[Popen[str]] = commands.start(name, *arguments, **options)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def carbon_cache(tmp_path: Path) -> Iterator[CarbonCache]:
    """A running carbon-cache."""
    with CarbonCache(tmp_path / "carbon-cache") as server:
        yield server


@pytest.fixture
def carbon_relay(tmp_path: Path, carbon_cache: CarbonCache) -> Iterator[CarbonRelay]:
    """A running carbon-c-relay before `carbon_cache`, also to be had as its `store`."""
    with CarbonRelay(tmp_path / "carbon-c-relay", store=carbon_cache) as server:
        yield server


@pytest.fixture
def victoria_metrics(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    """A running VictoriaMetrics."""
    with VictoriaMetrics(tmp_path / "victoria-metrics") as server:
        yield server


@pytest.fixture
def influxdb(tmp_path: Path) -> Iterator[Influxdb]:
    """A running influxd 1.x without a database."""
    with Influxdb(tmp_path / "influxdb") as server:
        yield server


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """A running Prometheus that looks for samples at its `scraped_port`."""
    with Prometheus(tmp_path / "prometheus") as server:
        yield server


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[PrometheusPushgateway]:
    """A running Pushgateway."""
    with PrometheusPushgateway(tmp_path / "pushgateway") as server:
        yield server


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    """A running NATS server."""
    with Nats(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="module")
def brokers() -> "Iterator[MockKafka]":
    """Running mock brokers, for all tests of a module."""
    from tests.servers.kafka import MockKafka  # on use: most tests need no client of Kafka

    with MockKafka() as kafka:
        yield kafka


@pytest.fixture
def kafka(brokers: "MockKafka") -> "Iterator[MockKafka]":
    """Mock brokers that are well again after the test."""
    yield brokers
    brokers.heal()


@pytest.fixture
def topic(kafka: "MockKafka") -> str:
    """A topic of one partition, for this test alone."""
    return kafka.new_topic()


@pytest.fixture(scope="module")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaBroker]":
    """A running broker, for all tests of a module."""
    if reason := why_no_broker():
        pytest.skip(reason)
    from tests.servers.kafka_broker import KafkaBroker  # on use, as above

    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
