"""The ways to Prometheus: each shows the newest value of a series, and no time."""

import re
import urllib.error
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from importer.points import Labels, Payload, Point
from tests.contract.stores.base import NO_TIME, Held, Key, Store, prometheus_name
from tests.servers.process import free_port
from tests.servers.prometheus import PrometheusPushgateway, get

NOTHING = Payload(b"[]", points=0, format="samples")
"""Has a sink show what it keeps."""


class NewestStore(Store):
    """What the stores of Prometheus have in common."""

    def key(self, path: tuple[str, ...], labels: Labels, timestamp: float) -> Key:
        named = ((re.sub(r"[^a-zA-Z0-9_]", "_", name), text) for name, text in labels)
        return Key(prometheus_name(path), tuple(sorted(named)), NO_TIME)

    def expected(self, points: Iterable[Point]) -> Held:
        return super().expected(sorted(points, key=lambda point: point.timestamp))


def samples_in(text: str, wanted: re.Pattern[str]) -> Iterator[Sample]:
    """Yield the samples of an exposition whose names begin as is wanted."""
    for family in text_string_to_metric_families(text):
        yield from (sample for sample in family.samples if wanted.match(sample.name))


def held_in(samples: Iterable[Sample], *, without: Collection[str] = ()) -> Held:
    """Return samples as they are held, less some of their labels; an empty label is none."""
    return {
        Key(
            sample.name,
            tuple(sorted((name, text) for name, text in sample.labels.items() if text and name not in without)),
            NO_TIME,
        ): sample.value
        for sample in samples
    }


class TextfileStore(NewestStore):
    """A textfile in a directory that can be taken away."""

    def __init__(self, root: str, state: Path) -> None:
        super().__init__(root, state)
        self._directory = state / "node-exporter"
        self._away = state / "node-exporter.away"
        self._directory.mkdir()

    def description(self) -> dict[str, object]:
        return {"protocol": "prometheus", "textfile": str(self._directory / "importer.prom")}

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        file = self._directory / "importer.prom"
        return held_in(samples_in(file.read_bytes().decode(), wanted)) if file.exists() else {}

    def start(self) -> None:
        self._away.rename(self._directory)

    def stop(self) -> None:
        self._directory.rename(self._away)


class PortStore(NewestStore):
    """Whoever scrapes the port; where the sink has been closed, that of the next process."""

    def __init__(self, root: str, state: Path) -> None:
        super().__init__(root, state)
        self.port = free_port("127.0.0.1")

    def description(self) -> dict[str, object]:
        return {"protocol": "prometheus", "port": self.port}

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        try:
            return self._scrape(wanted)
        except urllib.error.URLError:
            successor = self.sink()
            successor.deliver(NOTHING)
            held = self._scrape(wanted)
            successor.close()
            return held

    def _scrape(self, wanted: re.Pattern[str]) -> Held:
        return held_in(samples_in(get(f"http://127.0.0.1:{self.port}/metrics").decode(), wanted))


class PushgatewayStore(NewestStore):
    """A group of a Pushgateway, which forgets all when it ends, and has it again with the next push."""

    def __init__(self, root: str, state: Path, *, server: PrometheusPushgateway) -> None:
        super().__init__(root, state)
        self._server = server

    def description(self) -> dict[str, object]:
        return {"protocol": "prometheus", "pushgateway": self._server.url}

    def read_back(self, wanted: re.Pattern[str]) -> Held:
        samples = samples_in(get(f"{self._server.url}/metrics").decode(), wanted)
        ours = (sample for sample in samples if sample.labels["instance"].endswith(f":{self.state}"))
        return held_in(ours, without=("job", "instance"))

    def start(self) -> None:
        if not self._server.running:
            self._server.start()

    def stop(self) -> None:
        self._server.kill()
