"""How tests ask for self-metrics, and read what came of them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from importer.simulators.graphite import GraphiteReceiver
from tests.commands import Commands

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def ask_for(commands: Commands, **keys: object) -> None:
    """Write self-metrics.json."""
    (commands.config_dir / "self-metrics.json").write_text(json.dumps(keys))


def points_in(carbon: GraphiteReceiver, command: str) -> dict[str, float]:
    """Return the points that carbon got about a command, by what stands behind its name."""
    marker = f".importer.{command}."
    return {point.name.partition(marker)[2]: point.value for point in carbon.points if marker in point.name}


def lines_of(path: Path) -> list[dict[str, object]]:
    """Return the objects in a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def samples_of(text: str) -> Samples:
    """Return the samples of an exposition by name and labels, but for the label `project`."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted((name, value) for name, value in sample.labels.items() if name != "project"))): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def names_of(samples: Iterable[tuple[str, tuple[tuple[str, str], ...]]]) -> set[str]:
    """Return the names of samples."""
    return {name for name, _ in samples}


def address_in(line: str) -> str:
    """Return the address that a line names."""
    found = re.search(r"http://\S+", line)
    assert found, line
    return found[0]
