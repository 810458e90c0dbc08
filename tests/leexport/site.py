"""An installation of leexportpy: a configuration file, the query API, Geckoboard and Hosted Graphite on loopback."""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from importer.simulators.geckoboard import API_KEY as GECKOBOARD_KEY
from importer.simulators.geckoboard import GeckoboardSimulator
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.hosted_graphite import SINK_PATH, HostedGraphiteSimulator
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from tests.commands import Commands, Result

COUNT = "where(status>=200) calculate(count)"
GROUPS = "where(status) groupby(status) calculate(count)"


@dataclass
class Site:
    """What a test arranges and looks at."""

    commands: Commands
    api: LogSearchSimulator
    geckoboard: GeckoboardSimulator
    graphite: HostedGraphiteSimulator
    searches: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.commands.config_dir / "config.ini"

    @property
    def keys(self) -> tuple[str, ...]:
        """What must never be seen in any output."""
        return API_KEY, GECKOBOARD_KEY, GRAPHITE_KEY

    def search(
        self,
        name: str,
        destination: Mapping[str, object],
        *,
        statement: str = COUNT,
        period: object = 3600,
        window: object = 600,
    ) -> None:
        """Add a search, or replace the one of that name."""
        keys = "\n".join(f"{key} = {value}" for key, value in destination.items())
        self.searches[name] = (
            f"[[{name}]]\n[[[query]]]\nlogs = {LOG}\nquery_period = {period}\nquery_range = {window}\n"
            f"statement = {statement}\n[[[destination]]]\n{keys}\n"
        )

    def line(self, name: str, **options: object) -> None:
        """Add a search that is a line chart on the dashboard, in a widget of its name."""
        push_url = self.geckoboard.push_url(name)
        destination = {"service": "geckoboard", "push_url": push_url, "widget_type": "line_chart", "name": name}
        self.search(name, destination, **options)  # type: ignore[arg-type]

    def series(self, name: str, **options: object) -> None:
        """Add a search that is a series of its name at Hosted Graphite."""
        push_url = f"{self.graphite.url}{SINK_PATH}"
        destination = {"service": "hosted_graphite", "push_url": push_url, "metric_name": name}
        self.search(name, destination, **options)  # type: ignore[arg-type]

    def write(self, *, head: str = "", account: str = "") -> None:
        """Write the configuration; `head` stands before its first section, `account` in place of key and address."""
        account = account or f"rw_api_key = {API_KEY}\nurl = {self.api.base_url}"
        self.config.write_text(
            textwrap.dedent(
                f"{head}\n[LE]\n{account}\n[Services]\n[[geckoboard]]\napi_key = {GECKOBOARD_KEY}\n"
                f"[[hosted_graphite]]\napi_key = {GRAPHITE_KEY}\n[Searches]\n"
            )
            + "".join(self.searches.values())
        )

    def once(self, *arguments: str, **options: object) -> Result:
        """Write the configuration and run every search once."""
        self.write()
        return self.run("start", "-c", self.config, "--once", *arguments, **options)

    def run(self, *arguments: object, **options: object) -> Result:
        """Run leexportpy to its end."""
        return self.commands.run("leexportpy", *map(str, arguments), **options)  # type: ignore[arg-type]

    def asked(self) -> list[str]:
        """Return the statements that were posted, in order."""
        posts = self.api.requests_to("/query/logs/", method="POST")
        return [request.json()["leql"]["statement"] for request in posts]  # type: ignore[index]


@contextmanager
def opened_site(commands: Commands) -> Iterator[Site]:
    """Give an installation without searches yet, whose servers run."""
    with LogSearchSimulator() as api, GeckoboardSimulator() as geckoboard, HostedGraphiteSimulator() as graphite:
        yield Site(commands, api, geckoboard, graphite)
