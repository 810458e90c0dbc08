"""pingdom, run as its users run it: what carbon gets, what it says, how it ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.base import Answer
from importer.simulators.graphite import GraphiteReceiver
from importer.simulators.pingdom import TOKEN, PingdomSimulator, SimulatedCheck
from tests.apteligent import unused_port
from tests.commands import Commands, Result

TESTED = int((datetime.now(UTC) - timedelta(minutes=1)).timestamp())


@dataclass(frozen=True)
class Installation:
    """A configuration directory, Pingdom and carbon."""

    commands: Commands
    vendor: PingdomSimulator
    carbon: GraphiteReceiver

    def write(self, name: str, **keys: object) -> Path:
        path = self.commands.config_dir / name
        path.write_text(json.dumps(keys))
        return path

    def run(self, *arguments: str) -> Result:
        return self.commands.run("pingdom", *arguments)

    @property
    def names(self) -> set[str]:
        """The names of the points that carbon has."""
        return {point.name for point in self.carbon.points}

    def cursors(self) -> dict[str, int]:
        with OutboxView.open(self.commands.state_dir / "pingdom.outbox") as view:
            return dict(view.cursors())


@pytest.fixture
def installation(commands: Commands) -> Iterator[Installation]:
    check = SimulatedCheck(101, "Bike Shop", tested_at=TESTED)
    with PingdomSimulator(checks=[check]) as vendor, GraphiteReceiver() as carbon:
        installation = Installation(commands, vendor, carbon)
        installation.write("pingdom.json", hostname=f"{vendor.url}/api/3.1", token=TOKEN)
        installation.write("graphite.json", host="127.0.0.1", port=carbon.port)
        yield installation


def test_one_cycle_brings_the_last_test_and_a_day_of_hours(installation: Installation) -> None:
    result = installation.run("--once")
    assert (result.code, result.stderr) == (0, "")
    below = ("response_time", "up", "uptime", "downtime", "hourly.response_time")
    assert installation.names == {f"pingdom.Bike_Shop.{name}" for name in below}
    assert len(installation.carbon.points) == 2 + 24 * 3


def test_the_next_cycle_brings_nothing_twice(installation: Installation) -> None:
    installation.run("--once")
    count = len(installation.carbon.points)
    assert installation.run("--once").code == 0
    assert len(installation.carbon.points) == count
    assert installation.cursors()["tests/101"] == TESTED


def test_days_are_imported_again_whole(installation: Installation) -> None:
    assert installation.run("--once", "--from", "2026-05-01", "--to", "2026-05-02").code == 0
    times = {point.timestamp for point in installation.carbon.points}
    first = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    assert times == {first + 3600 * hour for hour in range(48)}


def test_a_store_that_is_down_loses_nothing(installation: Installation) -> None:
    installation.write("graphite.json", host="127.0.0.1", port=unused_port())
    assert installation.run("--once").code == 0
    with OutboxView.open(installation.commands.state_dir / "pingdom.outbox") as view:
        assert sum(lane.points for lane in view.lanes()) == 74


def test_a_dry_run_prints_points_and_keeps_nothing(installation: Installation) -> None:
    result = installation.run("--dry-run")
    assert (result.code, len(result.stdout.splitlines())) == (0, 74)
    assert f"pingdom.Bike_Shop.up 1 {TESTED}" in result.stdout
    assert installation.carbon.points == ()
    assert not (installation.commands.state_dir / "pingdom.outbox").exists()


def test_the_metric_root_is_the_first_segment(installation: Installation) -> None:
    url = f"{installation.vendor.url}/api/3.1/"
    installation.write("pingdom.json", hostname=url, token=TOKEN, metric_root="uptime")
    installation.run("--once")
    assert {name.partition(".")[0] for name in installation.names} == {"uptime"}


def test_a_refused_token_fails_the_run_with_pingdom_s_words(installation: Installation) -> None:
    installation.write("pingdom.json", hostname=f"{installation.vendor.url}/api/3.1", token="not-the-token")
    result = installation.run("--once")
    assert result.code == 1
    assert "HTTP 401: Invalid token" in result.stderr
    assert "not-the-token" not in result.stderr


def test_pingdom_that_is_down_fails_the_run(installation: Installation) -> None:
    installation.vendor.fail(Answer.json({"error": {"errormessage": "Oops"}}, status=500), times=None)
    result = installation.run("--once")
    assert result.code == 1
    assert "HTTP 500: Oops" in result.stderr


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"username": "me", "password": "s3cret", "appkey": "k3y-of-app"}, "token: is missing; API 3.1 wants one"),
        ({"token": TOKEN, "hostname": "ftp://x"}, "hostname: "),
        ({"token": TOKEN, "metric_rot": "p"}, "metric_rot: "),
    ],
)
def test_a_mistake_in_pingdom_json_is_a_line_and_78(
    installation: Installation, keys: dict[str, object], message: str
) -> None:
    path = installation.write("pingdom.json", **keys)
    result = installation.run("--once")
    assert result.code == 78
    assert f"{path}: {message}" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_dates_in_the_wrong_order_are_wrong_usage(installation: Installation) -> None:
    assert installation.run("--from", "2026-05-02", "--to", "2026-05-01").code == 2


def test_check_asks_pingdom_whether_the_token_is_right(installation: Installation) -> None:
    (installation.commands.config_dir / "graphite.json").unlink()
    path = installation.commands.config_dir / "pingdom.json"
    result = installation.commands.run("metrics-importer", "check", "--online", str(path))
    assert "answers: logged in, 1 checks" in result.stdout + result.stderr
