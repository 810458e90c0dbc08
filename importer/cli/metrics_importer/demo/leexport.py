"""The part of `metrics-importer demo` that pushes statistics of a shop's web logs to a dashboard and to a store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from importer.cli.metrics_importer.demo.stage import Part, Stage
from importer.cli.text_table import format_number, format_table
from importer.simulators.geckoboard import API_KEY as GECKOBOARD_KEY
from importer.simulators.geckoboard import GeckoboardSimulator
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.hosted_graphite import SINK_PATH, HostedGraphiteSimulator
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from importer.stores import write_private

CONFIG_FILE = "config.ini"
REQUESTS, STATUS_CODES, ERRORS = "requests", "status_codes", "shop.web.errors"
"""Two widgets, and a series."""

_CONFIG = """\
[LE]
    rw_api_key = {key}
    url = {url}
[Services]
    [[geckoboard]]
        api_key = {geckoboard_key}
    [[hosted_graphite]]
        api_key = {graphite_key}
[Searches]
    [[Requests of a day]]
        [[[query]]]
            logs = {log}
            query_period = 300
            query_range = 86400
            statement = where(status>=200) calculate(count)
        [[[destination]]]
            service = geckoboard
            widget_type = line_chart
            name = Requests
            push_url = {requests_url}
    [[Status codes]]
        [[[query]]]
            logs = {log}
            query_period = 60
            query_range = 3600
            statement = where(status) groupby(status) calculate(count)
        [[[destination]]]
            service = geckoboard
            widget_type = pie_chart
            push_url = {status_codes_url}
    [[Errors]]
        [[[query]]]
            logs = {log}
            query_period = 60
            query_range = 600
            statement = where(status>=500) calculate(count)
        [[[destination]]]
            service = hosted_graphite
            metric_name = {metric_name}
            push_url = {sink_url}
"""


@contextmanager
def played(config: Path) -> Iterator[Part]:
    """Play the vendor and both services, and write the file of the command into `config`."""
    with (
        LogSearchSimulator(polls=1, keep_requests=0) as api,
        GeckoboardSimulator(keep_requests=0) as geckoboard,
        HostedGraphiteSimulator(keep_requests=0) as graphite,
    ):
        text = _CONFIG.format(
            key=API_KEY,
            url=api.base_url,
            geckoboard_key=GECKOBOARD_KEY,
            graphite_key=GRAPHITE_KEY,
            log=LOG,
            requests_url=geckoboard.push_url(REQUESTS),
            status_codes_url=geckoboard.push_url(STATUS_CODES),
            metric_name=ERRORS,
            sink_url=f"{graphite.url}{SINK_PATH}",
        )
        write_private(config / CONFIG_FILE, text)
        yield Part("Log Search, Geckoboard, Hosted Graphite", partial(_show, services=_Services(geckoboard, graphite)))


@dataclass(frozen=True, slots=True)
class _Services:
    """What was pushed, as those who got it have it."""

    geckoboard: GeckoboardSimulator
    graphite: HostedGraphiteSimulator

    def pushes(self) -> int:
        """Return how many states and series there are."""
        states = sum(map(len, self.geckoboard.widgets.values()))
        return states + len({point.name for point in self.graphite.points})

    def line(self) -> list[tuple[float, float]]:
        """Return the points of the line chart, in the order of time: seconds since 1970 UTC, and value."""
        (series,) = self._widget(REQUESTS)["series"]
        return [(datetime.fromisoformat(time).timestamp(), value) for time, value in series["data"]]

    def slices(self) -> Mapping[str, float]:
        """Return the labels of the pie chart and their values."""
        return {item["label"]: item["value"] for item in self._widget(STATUS_CODES)["item"]}

    def series(self) -> list[float]:
        """Return the values of the series, in the order of time."""
        return [point.value for point in sorted(self.graphite.points, key=lambda point: point.timestamp)]

    def _widget(self, widget_key: str) -> Any:
        return self.geckoboard.widgets[widget_key][-1]


def _show(stage: Stage, *, services: _Services) -> None:
    command_line = ("leexportpy", "start", "-c", f"config/{CONFIG_FILE}", "--once")
    print()
    stage.do("three searches, two services", *command_line, result=lambda _output: f"{services.pushes()} pushed")
    print(f"\n{_table(services)}", flush=True)
    stage.plot("Requests, as the dashboard shows them", services.line())


def _table(services: _Services) -> str:
    slices = ", ".join(f"{label}: {format_number(value)}" for label, value in services.slices().items())
    return format_table(
        ["SERVICE", "SHOWS", "WHAT"],
        [
            ["Geckoboard", REQUESTS, _summary([value for _, value in services.line()])],
            ["Geckoboard", STATUS_CODES, slices],
            ["Hosted Graphite", ERRORS, _summary(services.series())],
        ],
    )


def _summary(values: list[float]) -> str:
    least, greatest = format_number(min(values)), format_number(max(values))
    return f"{len(values)} points from {least} to {greatest}, the last {format_number(values[-1])}"
