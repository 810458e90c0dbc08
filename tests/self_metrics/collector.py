"""A pp-collector that collects Pingdom's figures into a data set and a file."""

import json
from dataclasses import dataclass
from pathlib import Path

from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.pingdom import TOKEN, PingdomSimulator
from tests.commands import Commands, Result

SET_TOKEN = "t0ken-of-the-set"


@dataclass
class Collector:
    """The files of a collection, beside a vendor and a data set."""

    commands: Commands
    pingdom: PingdomSimulator
    backdrop: BackdropSimulator

    @property
    def store(self) -> Path:
        """The file that gets the points, a JSON object a line."""
        return self.commands.home / "points.jsonl"

    def run(self) -> Result:
        """Collect two days."""
        self.backdrop.add_data_set("tax-disc", "monitoring", token=SET_TOKEN)
        contents: dict[str, tuple[str, dict[str, object]]] = {
            "-q": (
                "query",
                {
                    "entrypoint": "performanceplatform.collector.pingdom",
                    "data-set": {"data-group": "tax-disc", "data-type": "monitoring"},
                    "query": {"name": self.pingdom.checks[0].name},
                    "options": {},
                },
            ),
            "-c": ("credentials", {"token": TOKEN, "url": self.pingdom.url_3_1}),
            "-t": ("token", {"token": SET_TOKEN}),
            "-b": (
                "platform",
                {
                    "backdrop_url": self.backdrop.data_url,
                    "destination": {"protocol": "file", "path": str(self.store)},
                },
            ),
        }
        arguments: list[str | Path] = []
        for option, (name, content) in contents.items():
            path = self.commands.home / f"{name}.json"
            path.write_text(json.dumps(content))
            arguments += [option, path]
        return self.commands.run("pp-collector", *arguments, "-s", "2026-11-01", "-e", "2026-11-02")
