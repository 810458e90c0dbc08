"""What InfluxDB has in the end, compared with what clients of stats-service were answered."""

import json
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.end_to_end.stats_load import Load, event_id, is_event, is_untimed, own_second, point_time
from tests.servers import Influxdb

DATABASE = "load"
READ_SECONDS = 120
_CHUNK_ROWS = 20_000
_SECOND = 10**9
_NO_DATABASE = f"database not found: {DATABASE}"
"""Nothing was written yet."""


@dataclass
class Verdict:
    """What is wrong with what a store has; nothing of all this is as it should be."""

    lost: list[int] = field(default_factory=list)
    """Answered, and not there."""
    doubled: list[int] = field(default_factory=list)
    """There more than once: in another series, or at another time too."""
    strange: list[str] = field(default_factory=list)
    """There, and not as it was sent."""
    points: int = 0
    """How many points the store has in all."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.strange)

    def __str__(self) -> str:
        examples = [*self.lost[:3], *self.doubled[:3], *self.strange[:3]]
        counts = f"lost={len(self.lost)} doubled={len(self.doubled)} strange={len(self.strange)}"
        return f"{counts} points={self.points} {examples or ''}".strip()


def judge(load: Load, influxdb: Influxdb) -> Verdict:
    """Return what a store lacks, or has too much of, once a load was answered and delivered as a whole."""
    verdict = Verdict()
    found: Counter[int] = Counter()
    times: set[int] = set()
    for time, name, number in rows(influxdb, 'SELECT "event_id", "number" FROM "analytics"'):
        found[number] += 1
        second = own_second(number)
        is_in_time = second is None or 0 <= time - second * _SECOND < _SECOND
        if name != event_id(number) or not is_event(number) or not is_in_time or time in times:
            verdict.strange.append(f"event {number} as {name} at {time}")
        times.add(time)
    for time, number in rows(influxdb, 'SELECT "number" FROM "votes"'):
        found[number] += 1
        if time != point_time(number):
            verdict.strange.append(f"point {number} at {time}")
    for _, number in rows(influxdb, 'SELECT "number" FROM "loose"'):
        found[number] += 1
    for number in range(load.events):
        allowed = load.tries(number) if is_untimed(number) else 1
        if not found[number]:
            verdict.lost.append(number)
        elif found[number] > allowed:
            verdict.doubled.append(number)
    verdict.points = found.total()
    return verdict


def count(influxdb: Influxdb, measurement: str) -> int:
    """Return how many points of a load a measurement has."""
    return sum(row[1] for row in rows(influxdb, f'SELECT count("number") FROM "{measurement}"'))


def rows(influxdb: Influxdb, statement: str) -> Iterator[list]:
    """Yield the rows that a statement of InfluxQL gives, times in nanoseconds, however many they are."""
    form = {"q": statement, "db": DATABASE, "epoch": "ns", "chunked": "true", "chunk_size": str(_CHUNK_ROWS)}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = urllib.parse.urlencode(form).encode()
    with opener.open(f"{influxdb.url}/query", data, timeout=READ_SECONDS) as response:
        for line in response:
            (result,) = json.loads(line)["results"]
            assert result.get("error", _NO_DATABASE) == _NO_DATABASE, result
            for series in result.get("series", ()):
                yield from series["values"]
