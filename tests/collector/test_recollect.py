"""Three years of weeks in one command, which goes on where it was killed: nothing lost, nothing asked for twice."""

import json
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector.periods import TIME_SPANS, period_range
from importer.collector.recollection import copied, spans_of
from importer.simulators.backdrop import BackdropSimulator, DataSet
from importer.simulators.faults import delay
from importer.simulators.google import GoogleSimulator
from importer.simulators.http_wire import Answer
from tests.collector.google_world import ACCESS_TOKEN, DEVICES, GoogleWorld
from tests.commands import Commands, Result
from tests.running import Running
from tests.terminals import run_at_terminal

SET_TOKEN = "t0ken-of-the-set"
YEARS = ("-s", "2023-10-30", "-e", "2026-10-31")
WEEKS = [str(first) for first, _ in period_range(date(2023, 10, 30), date(2026, 10, 31), "weekly")]


@dataclass
class Site:
    """Two queries of the same vendor, each with a data set."""

    commands: Commands
    google: GoogleSimulator
    backdrop: BackdropSimulator
    sets: list[DataSet]
    world: GoogleWorld
    names: list[str] = field(default_factory=lambda: ["visits", "devices"])

    def arguments(self, *more: str) -> list[str | Path]:
        """Write the files and return the command line."""
        home = self.commands.home
        contents = {
            "credentials": self.world.ga4(),
            "token": {"token": SET_TOKEN},
            "platform": {"backdrop_url": self.backdrop.data_url},
        }
        arguments: list[str | Path] = []
        for option, name in (("-c", "credentials"), ("-t", "token"), ("-b", "platform")):
            (home / f"{name}.json").write_text(json.dumps(contents[name]))
            arguments += [option, home / f"{name}.json"]
        for name in self.names:
            query = {"id": "properties/123", "metrics": ["sessions"], "dimensions": ["deviceCategory"]}
            place = {"data-group": "shop", "data-type": name}
            content = {"entrypoint": "performanceplatform.collector.ga", "data-set": place, "query": query}
            (home / f"{name}.json").write_text(json.dumps(content))
            arguments.append(home / f"{name}.json")
        return [*arguments, *more]

    def run_with(self, content: dict[str, object], *more: str, **env: str) -> Result:
        """Run with something else in the first query file."""
        arguments = self.arguments(*more)
        path = self.commands.home / f"{self.names[0]}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **content}))
        return self.commands.run("recollect", *arguments, env=env)

    def run(self, *more: str) -> Result:
        return self.commands.run("recollect", *self.arguments(*(more or YEARS)))

    def asked(self) -> Counter[str]:
        """Return how often each week was asked for."""
        bodies = [request.json() for request in self.google.requests if "runReport" in request.path]
        return Counter(body["dateRanges"][0]["startDate"] for body in bodies)


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    with GoogleSimulator(access_token=ACCESS_TOKEN) as google, BackdropSimulator() as backdrop:
        google.reports[""] = [{"deviceCategory": row["deviceCategory"], "sessions": row["sessions"]} for row in DEVICES]
        sets = [backdrop.add_data_set("shop", name, token=SET_TOKEN) for name in ("visits", "devices")]
        yield Site(commands, google, backdrop, sets, GoogleWorld(google, commands.home))


def weeks_in(data_set: DataSet) -> Counter[str]:
    return Counter(str(record["_timestamp"])[:10] for record in data_set.records)


def test_three_years_of_weeks_are_collected_killed_and_resumed_without_loss_or_repeat(site: Site) -> None:
    site.names = ["visits"]
    with site.commands.start("recollect", *site.arguments(*YEARS, "--console-logging")) as process:
        running = Running(process, logs_to_stderr=True)
        running.wait_for_error("2024-05-13")
        running.kill()
    assert 0 < len(site.sets[0].records) < 3 * len(WEEKS)
    result = site.run()
    assert (result.code, result.stderr) == (0, "")
    assert weeks_in(site.sets[0]) == Counter(dict.fromkeys(WEEKS, 3))
    again = {week for week, count in site.asked().items() if count > 1}
    assert len(again) <= 1  # the one that was asked for and not yet kept when the kill came
    assert set(site.asked()) == set(WEEKS)


def test_a_query_that_fails_costs_the_others_nothing_and_goes_on_next_time(site: Site) -> None:
    site.google.fail(Answer.json({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}, status=400))
    result = site.run("-s", "2026-09-07", "-e", "2026-09-27")
    assert result.code == 1
    assert "visits.json" in result.stderr
    assert "bad" in result.stderr
    assert sum(weeks_in(site.sets[0]).values()) == 0
    assert list(weeks_in(site.sets[1])) == ["2026-09-07", "2026-09-14", "2026-09-21"]
    assert site.run("-s", "2026-09-07", "-e", "2026-09-27").code == 0
    assert list(weeks_in(site.sets[0])) == ["2026-09-07", "2026-09-14", "2026-09-21"]


def test_a_data_set_is_emptied_once_before_its_first_period(site: Site) -> None:
    site.names = ["visits"]
    site.sets[0].records.append({"_id": "old"})
    assert site.run("-s", "2026-09-07", "-e", "2026-09-20", "--empty").code == 0
    assert site.sets[0].emptied == 1
    assert list(weeks_in(site.sets[0])) == ["2026-09-07", "2026-09-14"]


def test_a_finished_recollection_can_be_made_once_more(site: Site) -> None:
    site.names = ["visits"]
    for _ in range(2):
        assert site.run("-s", "2026-09-07", "-e", "2026-09-13").code == 0
    assert site.asked() == {"2026-09-07": 2}
    assert len(site.sets[0].records) == 3


def test_a_terminal_shows_how_many_periods_are_done_and_a_pipe_does_not(site: Site) -> None:
    site.names = ["visits"]
    site.backdrop.fail(delay(0.1), times=None)
    dates = ("-s", "2026-10-05", "-e", "2026-10-31")
    code, terminal = run_at_terminal(site.commands, "recollect", *site.arguments(*dates))
    assert code == 0
    assert re.search(r"recollect: \[#+\.+\] +\d+% [123] of 4 periods, ", terminal.text)
    assert [line.partition("visits.json: ")[2] for line in terminal.screen] == [
        f"4 periods, {4 * len(DEVICES)} records in this run",
        "",
    ]
    again = site.commands.run("recollect", *site.arguments(*dates, "--empty"))
    assert (again.code, again.stderr) == (0, "")
    assert "\r" not in again.stdout


def test_sigterm_ends_it_all_with_1(site: Site) -> None:
    with site.commands.start("recollect", *site.arguments(*YEARS, "--console-logging")) as process:
        running = Running(process, logs_to_stderr=True)
        running.wait_for_error("2023-11-20")
        ended = running.stop(signal.SIGTERM)
    assert ended.code == 1
    assert not any("devices.json: 20" in line for line in ended.stderr)


def test_what_knows_no_past_is_refused(site: Site) -> None:
    site.names = ["visits"]
    arguments = site.arguments(*YEARS)
    path = site.commands.home / "visits.json"
    path.write_text(path.read_text().replace("collector.ga", "collector.ga.realtime"))
    result = site.commands.run("recollect", *arguments)
    assert result.code == 1
    assert "cannot be collected for the past" in result.stderr
    assert not site.google.requests


def test_dates_in_the_wrong_order_are_told(site: Site) -> None:
    result = site.run("-s", "2026-09-07", "-e", "2026-09-01")
    assert (result.code, "Bad dates" in result.stderr, "Traceback" in result.stderr) == (1, True, False)


THREE_WEEKS = ("-s", "2026-09-07", "-e", "2026-09-27")


def test_what_the_last_period_left_is_delivered_before_the_end_is_told(site: Site) -> None:
    site.names = ["visits"]
    last_week = ("-s", "2026-09-07", "-e", "2026-09-13")
    site.backdrop.fail(Answer(403), times=2)
    assert site.run(*last_week).code == 1
    assert site.run(*last_week).code == 1
    assert site.sets[0].records == []
    assert site.run(*last_week).code == 0
    assert weeks_in(site.sets[0]) == {"2026-09-07": 3}
    assert site.asked() == {"2026-09-07": 1}


def test_a_query_that_empties_its_data_set_does_so_once(site: Site) -> None:
    site.names = ["visits"]
    site.sets[0].records.append({"_id": "old"})
    site.backdrop.fail(Answer(403), times=1)
    assert site.run_with({"options": {"empty-data-set": True}}, *THREE_WEEKS).code == 1
    assert site.run_with({"options": {"empty-data-set": True}}, *THREE_WEEKS).code == 0
    assert site.sets[0].emptied == 1
    assert weeks_in(site.sets[0]) == {"2026-09-07": 3, "2026-09-14": 3, "2026-09-21": 3}


def test_a_data_set_is_not_emptied_before_there_are_records(site: Site) -> None:
    site.names = ["visits"]
    site.sets[0].records.append({"_id": "old"})
    site.google.fail(Answer(403), times=1)
    assert site.run(*THREE_WEEKS, "--empty").code == 1
    assert (site.sets[0].emptied, site.sets[0].records) == (0, [{"_id": "old"}])


def test_a_request_that_is_set_aside_ends_nothing_and_is_told(site: Site) -> None:
    site.names = ["visits"]
    site.backdrop.fail(Answer.json({"status": "error", "message": "bad chunk"}, status=400), times=1)
    result = site.run(*THREE_WEEKS)
    assert (result.code, result.stderr.count("set aside: HTTP 400: bad chunk")) == (1, 1)
    assert list(weeks_in(site.sets[0])) == ["2026-09-14", "2026-09-21"]


def test_another_destination_begins_from_the_beginning(site: Site) -> None:
    site.names = ["visits"]
    site.backdrop.fail(Answer(403), times=1)
    assert site.run(*THREE_WEEKS).code == 1
    with BackdropSimulator() as other:
        site.sets[0] = other.add_data_set("shop", "visits", token=SET_TOKEN)
        site.backdrop = other
        assert site.run(*THREE_WEEKS).code == 0
        assert list(weeks_in(site.sets[0])) == ["2026-09-07", "2026-09-14", "2026-09-21"]


def test_a_dry_run_shows_each_period_and_keeps_nothing(site: Site) -> None:
    site.names = ["visits"]
    result = site.run(*THREE_WEEKS, "--dry-run")
    assert (result.code, result.stderr.count("HTTP POST to")) == (0, 3)
    assert site.sets[0].records == []
    assert not list(site.commands.state_dir.iterdir())


def test_disabled_it_asks_nobody(site: Site) -> None:
    assert site.run_with({}, *THREE_WEEKS, DISABLE_COLLECTORS="true").code == 0
    assert not site.google.requests
    assert not list(site.commands.state_dir.iterdir())


def test_no_day_is_asked_for_beside_those_that_were_wanted() -> None:
    spans = spans_of(date(2026, 11, 4), date(2026, 11, 10), "weekly")
    assert [(span.first, span.last) for span in spans] == [
        (date(2026, 11, 4), date(2026, 11, 8)),
        (date(2026, 11, 9), date(2026, 11, 10)),
    ]
    assert [span.position for span in spans] == [span.first.toordinal() for span in spans_of(MONDAY, SUNDAY, "weekly")]


MONDAY, SUNDAY = date(2026, 11, 2), date(2026, 11, 15)


def test_an_entrypoint_gets_objects_of_its_own_but_for_what_cannot_be_copied() -> None:
    storage = object()
    credentials = {"CLIENT_SECRETS": {"installed": {}}, "OAUTH2_CREDENTIALS": storage, "list": [{}]}
    own = copied(credentials)
    assert own == credentials
    assert own["OAUTH2_CREDENTIALS"] is storage
    assert own["CLIENT_SECRETS"]["installed"] is not credentials["CLIENT_SECRETS"]["installed"]  # type: ignore[index]
    assert own["list"][0] is not credentials["list"][0]  # type: ignore[index]


@given(st.dates(date(1999, 1, 1), date(2101, 1, 1)), st.integers(0, 1200), st.sampled_from(sorted(TIME_SPANS)))
def test_each_day_of_a_back_fill_is_asked_for_once(first: date, more: int, frequency: str) -> None:
    spans = spans_of(first, first + timedelta(days=more), frequency)
    days = [day for span in spans for day in range(span.first.toordinal(), span.last.toordinal() + 1)]
    assert days == list(range(first.toordinal(), first.toordinal() + more + 1))
    positions = [span.position for span in spans]
    assert positions == sorted(set(positions))
    assert positions[0] <= first.toordinal()
