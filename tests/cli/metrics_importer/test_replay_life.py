"""A replay that is ended goes on where it stopped: nothing is lost, and stores have each point once."""

import itertools
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from importer.metric_store import MetricWriter
from importer.replay import CHUNK_POINTS
from importer.simulators.graphite import (
    GraphiteReceiver,
    Mode,
    ReceivedConnection,
    accept_then_close,
    no_close,
    normal,
)
from importer.simulators.http_wire import Answer
from importer.simulators.influxdb import InfluxdbSimulator
from tests.commands import Commands
from tests.running import Running

FIRST = 1_700_000_000
SERIES = 50
POINTS = 3 * CHUNK_POINTS
"""Of all series: three chunks, each of 40 payloads for a carbon."""
WAIT_SECONDS = 60.0


@pytest.fixture
def store(commands: Commands) -> Path:
    """A store of three chunks of points."""
    path = commands.state_dir / "metrics.db"
    with MetricWriter(path) as writer:
        for number in range(SERIES):
            times = range(FIRST, FIRST + POINTS // SERIES)
            writer.write((f"shop.m{number}", "{}", time, time - FIRST + number) for time in times)
    return path


def destination(port: int) -> str:
    return json.dumps({"protocol": "plain", "host": "127.0.0.1", "port": port})


def database(influxdb: InfluxdbSimulator) -> str:
    return json.dumps({"protocol": "influxdb", "url": influxdb.url, "database": "shop"})


def stuck_after(count: int) -> Mode:
    """Return a mode that treats so many connections well, and never answers those that come later."""
    numbers = itertools.count()

    def mode(connection: ReceivedConnection) -> None:
        (normal if next(numbers) < count else no_close)(connection)

    return mode


@contextmanager
def stuck_replay(
    start_command: Callable[..., Popen[str]], carbon: GraphiteReceiver, *, delivered: int
) -> Iterator[Running]:
    """Give a replay whose carbon has taken so many payloads, and does not acknowledge the next one."""
    before = len(carbon.connections)
    carbon.mode = stuck_after(delivered)
    running = Running(start_command("metrics-importer", "replay", "--destination", destination(carbon.port)))
    carbon.wait_for_connections(before + delivered + 1, timeout_seconds=WAIT_SECONDS)
    yield running
    carbon.reset_connections()
    carbon.mode = normal


def expected() -> set[tuple[str, float, float]]:
    return {
        (f"shop.m{number}", FIRST + offset, offset + number)
        for number in range(SERIES)
        for offset in range(POINTS // SERIES)
    }


@pytest.mark.usefixtures("store")
def test_a_replay_that_is_killed_time_and_again_loses_nothing(
    commands: Commands, start_command: Callable[..., Popen[str]]
) -> None:
    with GraphiteReceiver() as carbon:
        for delivered in (0, 39, 50):
            with stuck_replay(start_command, carbon, delivered=delivered) as running:
                running.kill()
        result = commands.run("metrics-importer", "replay", "--destination", destination(carbon.port))
        assert (result.code, result.stderr) == (0, "")
        assert set(carbon.points) == expected()
        assert len(carbon.points) <= POINTS + 3 * 500  # what was in hand at each kill may come twice
        assert "kept by an earlier run" in result.stdout
        assert "went before" in result.stdout


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_replay_that_is_asked_to_stop_says_what_is_left_and_goes_on_later(
    commands: Commands, start_command: Callable[..., Popen[str]], number: signal.Signals
) -> None:
    with GraphiteReceiver() as carbon:
        with stuck_replay(start_command, carbon, delivered=50) as running:
            running.process.send_signal(number)
            carbon.mode = accept_then_close
            carbon.reset_connections()
            running.process.wait(WAIT_SECONDS)
            ended = running.kill()
        assert ended.code == 1
        (line,) = ended.stderr
        assert line.startswith("metrics-importer: replay: asked to stop; 20000 of 60000 points were delivered")
        assert commands.run("metrics-importer", "replay", "--destination", destination(carbon.port)).code == 0
        assert set(carbon.points) == expected()


@pytest.mark.usefixtures("store")
def test_a_replay_that_hangs_in_a_dead_connection_ends_and_is_no_success(
    start_command: Callable[..., Popen[str]],
) -> None:
    with GraphiteReceiver() as carbon, stuck_replay(start_command, carbon, delivered=0) as running:
        running.process.terminate()
        assert running.process.wait(WAIT_SECONDS) == 1


@pytest.mark.usefixtures("store")
def test_a_store_that_goes_away_and_comes_back_has_every_point_once(commands: Commands) -> None:
    with InfluxdbSimulator(databases=("shop",)) as influxdb:
        command = ("replay", "--destination", database(influxdb))
        influxdb.fail(lambda exchange: exchange.proceed(), when="/write", times=5)
        influxdb.fail(Answer(503), when="/write", times=None)
        result = commands.run("metrics-importer", *command, "--wait", "0")
        assert result.code == 1
        assert "not delivered, kept" in result.stderr
        influxdb.heal()
        assert commands.run("metrics-importer", *command).code == 0
        assert len(influxdb.points) == POINTS


@pytest.mark.usefixtures("store")
def test_a_short_outage_is_waited_for(commands: Commands) -> None:
    with InfluxdbSimulator(databases=("shop",)) as influxdb:
        command = ("replay", "--destination", database(influxdb))
        influxdb.fail(Answer(503), when="/write", times=4)
        result = commands.run("metrics-importer", *command)
        assert (result.code, result.stderr) == (0, "")
        assert len(influxdb.points) == POINTS


@pytest.mark.usefixtures("store")
def test_what_a_store_rejects_is_set_aside_and_the_rest_goes_on(commands: Commands) -> None:
    with InfluxdbSimulator(databases=("shop",)) as influxdb:
        influxdb.fail(Answer.json({"error": "partial write"}, status=400), when="/write", times=1)
        command = ("replay", "--destination", database(influxdb))
        result = commands.run("metrics-importer", *command)
        assert result.code == 1
        assert "payloads set aside" in result.stderr
        assert POINTS - CHUNK_POINTS <= len(influxdb.points) < POINTS
        assert "partial write" in commands.run("metrics-importer", "outbox", "list").stdout


@pytest.mark.usefixtures("store")
def test_of_two_at_once_one_goes_on_and_each_point_is_sent_once(start_command: Callable[..., Popen[str]]) -> None:
    with GraphiteReceiver() as carbon:
        arguments = ("metrics-importer", "replay", "--destination", destination(carbon.port))
        both = [Running(start_command(*arguments)) for _ in range(2)]
        codes = {running.process.wait(WAIT_SECONDS) for running in both}
        errors = [line for running in both for line in running.kill().stderr]
        assert 0 in codes
        assert all("another process is at the same replay" in line for line in errors)
        assert len(carbon.points) == POINTS
        assert set(carbon.points) == expected()
