"""What a timer pays for each start of a command."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.livestats import write_configuration
from benchmarks.measure import ROOT, Figure, at_most, run_measured, started

ROUNDS = 10


def run() -> Iterator[Figure]:
    """Measure --help, and a cycle in which nothing is new."""
    help_took = [
        run_measured(sys.executable, str(ROOT / "bin" / "livestats"), "--help", environment=dict(os.environ))[0]
        for _ in range(ROUNDS)
    ]
    with (
        started("importer.simulators.apteligent", "--port", "0", "--apps", "3") as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        environment = write_configuration(Path(folder), url, {"protocol": "sqlite"})
        (Path(folder) / "config" / "app_timezones.json").write_text(json.dumps({"52d0aa0000000000000000a1": ["", 0]}))
        command = (sys.executable, str(ROOT / "bin" / "dailyjobs"), "--once", "-q")
        run_measured(*command, environment=environment)
        nothing_new = [run_measured(*command, environment=environment)[0] for _ in range(ROUNDS)]
    yield at_most("livestats --help", min(took.wall for took in help_took) * 1000, "ms", 100)
    yield at_most("dailyjobs --once, nothing new", min(took.cpu for took in nothing_new) * 1000, "ms CPU", 400)
