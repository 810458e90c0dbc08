"""What is kept where a store does not take it."""

import pytest

from importer.outbox_view import OutboxView
from importer.simulators.apteligent import demo_apps
from importer.simulators.graphite import GraphiteReceiver
from importer.sources.apteligent.daily import METRICS as DAILY
from importer.sources.apteligent.daily import cursor_name
from tests.apteligent import Site, unused_port
from tests.cli.apteligent.days import yesterday


@pytest.mark.parametrize(("old", "new"), [("plain", "plain"), ("plain", "pickle"), ("pickle", "plain")])
def test_what_was_kept_goes_to_the_new_address_of_a_destination(old: str, new: str, site: Site) -> None:
    site.write("graphite.json", {"host": "127.0.0.1", "port": unused_port(), "protocol": old})
    assert site.run("dailyjobs", "--once").code == 0
    with GraphiteReceiver("pickle" if new == "pickle" else "plain") as carbon:
        site.write("graphite.json", {"host": "127.0.0.1", "port": carbon.port, "protocol": new})
        assert site.run("dailyjobs", "--once").code == 0
        assert len(carbon.points) == 23
        assert [problem for connection in carbon.connections for problem in connection.problems] == []
    with OutboxView.open(site.commands.state_dir / "dailyjobs.outbox") as outbox:
        assert [lane.payloads for lane in outbox.lanes()] == [0]


def test_a_full_outbox_fails_loudly_and_the_next_run_asks_again(site: Site) -> None:
    site.carbon.stop()
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port, "outbox_max_bytes": 1000})
    result = site.run("dailyjobs", "--once")
    assert result.code == 1
    assert "outbox_max_bytes" in result.stderr
    assert result.stderr.count("\n") == 1
    site.carbon.start()
    site.write("graphite.json", {"host": "127.0.0.1", "port": site.carbon.port})
    assert site.run("dailyjobs", "--once").code == 0
    assert len(set(site.carbon.points)) == 23


def test_the_outbox_is_the_users_alone_and_remembers_how_runs_ended(site: Site) -> None:
    assert site.run("livestats", "--once").code == 0
    path = site.commands.state_dir / "livestats.outbox"
    assert path.stat().st_mode & 0o777 == 0o600
    with OutboxView.open(path) as outbox:
        (run,) = outbox.runs()
    assert (run.exit_code, run.points, run.message) == (0, 270, "")


def test_the_cursor_of_an_app_and_metric_stands_at_its_yesterday(site: Site) -> None:
    assert site.run("dailyjobs", "--once").code == 0
    with OutboxView.open(site.commands.state_dir / "dailyjobs.outbox") as outbox:
        assert outbox.cursors() == {
            cursor_name(app.app_id, metric): yesterday(app.offset_hours).toordinal()
            for app in demo_apps()
            for metric in DAILY
        }
