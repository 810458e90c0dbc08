"""The part of `metrics-importer demo` that takes in a shop's events and keeps them in the embedded store."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import requests

from importer.cli.metrics_importer.demo.stage import Part, Stage
from importer.cli.stats_service.access_file import AccessDocument, write_new
from importer.cli.text_table import format_table
from importer.errors import ImporterError, one_line
from importer.events.client.analytics import Analytics
from importer.events.client.auth import RequestsAccessTokenAuth
from importer.events.tokens.token import generate_pair

CONFIG_FILE, ACCESS_FILE = "stats-service.ini", "access.json"
EVENTS = 300
SHOWN = 4
TIMEOUT_SECONDS = 10

_CONFIG = f"""\
[app:main]
stats_service.access.identities = {ACCESS_FILE}
[server:main]
host = 127.0.0.1
port = 0
"""
_KINDS = ("shop.view", "shop.search", "shop.basket", "shop.order")
_WEIGHTS = (60, 25, 10, 5)


@contextmanager
def played(config: Path) -> Iterator[Part]:
    """Write the files of the service into `config`; nobody has to be played, as it needs no store."""
    pair = generate_pair("shop")
    path = config / ACCESS_FILE
    access = AccessDocument(path, [])
    access.add("shop", pair)
    write_new(path, access, overwrite=False)
    (config / CONFIG_FILE).write_text(_CONFIG)
    yield Part("", partial(_show, token=pair.token.reveal()))


def _show(stage: Stage, *, token: str) -> None:
    print()
    with stage.serving("stats-service", "-c", f"config/{CONFIG_FILE}", what="takes in events") as address:
        client = Analytics({"url": address, "access_token": token, "defer": False})
        ids = [client.log(event) for event in _events()]
        if not all(ids):
            raise ImporterError("demo: stats-service did not take every event")
        auth = RequestsAccessTokenAuth(token)
        counts = _get(f"{address}/log/counts?hours=1", auth)["counts"]
        newest = _get(f"{address}/log/events?limit={SHOWN}", auth)
        print(f"\n{len(ids)} events were sent by the client, each answered when it was on the disk:\n")
        print(_count_table(counts))
        print(f"\nThe last of them, by GET /log/events?limit={SHOWN}:\n\n{_event_table(newest)}", flush=True)


def _events() -> Iterator[Mapping[str, Any]]:
    """Yield what visitors of a shop do; the same each time."""
    chance = random.Random(4)
    for number in range(EVENTS):
        (kind,) = chance.choices(_KINDS, _WEIGHTS)
        order = {"order": {"items": chance.randint(1, 5), "total": round(chance.uniform(5, 90), 2)}}
        yield {"event": kind, "uid": f"visitor-{number % 37}"} | (order if kind == "shop.order" else {})


def _get(url: str, auth: RequestsAccessTokenAuth) -> Any:
    try:
        response = requests.get(url, auth=auth, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()
    except requests.RequestException as error:
        raise ImporterError(f"demo: stats-service: {one_line(error)}") from error


def _count_table(counts: Mapping[str, list[Mapping[str, int]]]) -> str:
    totals = {name: sum(step["events"] for step in steps) for name, steps in counts.items()}
    rows = [[name, str(total)] for name, total in sorted(totals.items(), key=lambda item: -item[1])]
    return format_table(["EVENT", "COUNT"], rows, right={"COUNT"})


def _event_table(events: list[dict[str, Any]]) -> str:
    hidden = {"time", "event", "uid", "event_id", "now", "datetime"}
    rows = []
    for event in events:
        rest = ", ".join(f"{name}: {value}" for name, value in event.items() if name not in hidden)
        rows.append([event["time"][11:23], event["event"], event["uid"], rest])
    return format_table(["TIME (UTC)", "EVENT", "UID", "FIELDS"], rows)
