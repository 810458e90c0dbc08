"""Config-only services for tests, from an entry of the configuration, and what they show."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from importer.config import ObjectReader
from importer.errors import Problem
from importer.exporter.base import FaultKind, Outcome
from importer.exporter.exposition.text import text
from importer.exporter.family import Family
from importer.exporter.json_api.config import read_json_service
from importer.exporter.json_api.service import JsonService
from tests.http_servers import Answer, BookServer, book_server

GOLDEN = Path(__file__).parent / "golden"
ONE = [{"name": "count", "path": "$.count"}]
"""Metrics of an answer `{"count": 1}`."""
FORBIDDEN = " (bad key, or the rate limit)"
"""What is said of each 403: vendors give it for either."""
ORDERS_ANSWER = {
    "site": "lyon",
    "status": "OK",
    "orders": {"placed": 410},
    "items": [
        {"team": "blue", "count": 31, "state": "ACTIVE"},
        {"team": "red", "count": 2, "state": "RETIRED"},
    ],
}
ORDERS_METRICS = [
    {"name": "orders_placed_total", "type": "counter", "path": "$.orders.placed", "help": "Orders so far."},
    {"name": "queue_state", "path": "$.status", "value_map": {"OK": 1, "FAIL": 0}},
    {
        "name": "stock",
        "path": '$.items[?(@.state == "ACTIVE")]',
        "labels": {"team": "{.team}", "site": "site-{$.site}", "env": "test"},
        "value": "{.count}",
    },
    {"name": "items", "path": "$.items[*]", "aggregate": "count"},
]


def answers(*documents: object) -> list[Answer]:
    """Return answers that hold these as JSON."""
    return [Answer(200, json.dumps(document).encode()) for document in documents]


def read_entry(
    entry: object, folder: Path, *, environ: Mapping[str, str] | None = None, stop: Event | None = None
) -> tuple[JsonService | None, list[str]]:
    """Return the service of an entry, or None and what is wrong with the entry."""
    problems: list[Problem] = []
    keys = ObjectReader(folder / "config.json", entry, where="services.orders.", problems=problems)
    service = read_json_service(keys, name="orders", environ=environ or {}, stop=stop)
    return service, [f"{problem.key}: {problem.what}" for problem in problems]


@contextmanager
def service_of(
    folder: Path,
    entry: Mapping[str, object],
    *,
    environ: Mapping[str, str] | None = None,
    stop: Event | None = None,
) -> Iterator[JsonService]:
    """Run the service of an entry without mistakes."""
    service, problems = read_entry({"metrics": ONE, **entry}, folder, environ=environ, stop=stop)
    assert problems == []
    assert service is not None
    try:
        yield service
    finally:
        service.close()


@contextmanager
def polled(
    folder: Path, document: object, metrics: object, **more: object
) -> Iterator[tuple[JsonService, Outcome, BookServer]]:
    """Give a service that has polled such a document once."""
    with (
        book_server(*answers(document)) as vendor,
        service_of(folder, {"api_url": f"{vendor.url}/stats", "metrics": metrics, **more}) as service,
    ):
        yield service, service.poll(), vendor


def shown(families: Iterable[Family]) -> str:
    """Return families as exposition text."""
    return text(families).decode()


def samples(service: JsonService) -> dict[str, float]:
    """Return what a service shows, by the text of its series."""
    return {sample.series.text.strip(): sample.value for family in service.families() for sample in family.samples}


def faults(outcome: Outcome) -> list[tuple[FaultKind, str]]:
    """Return the kinds and reasons of a poll's faults."""
    return [(fault.kind, fault.reason) for fault in outcome.faults]
