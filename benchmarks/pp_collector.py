"""A large answer of a vendor as records: parsed, plugged, kept in the outbox and taken by a data set."""

import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Figure
from importer.collector.documents import DataParser
from importer.collector.outlet import outlet_in_force
from importer.collector.pusher import Pusher
from importer.collector.run_outlet import RunOutlet, configure
from importer.credentials import Secret
from importer.delivery import Delivery
from importer.outbox import Outbox
from importer.simulators.backdrop import BackdropSimulator
from importer.sinks.backdrop import BackdropSink

RECORDS = 100_000
WEEKS = 52
CHUNK_SIZE = 1_000
_FIRST = date(2025, 1, 6)
_OPTIONS = {
    "mappings": {"pagePath": "page", "eventLabel_0": "label"},
    "additionalFields": {"department": "none"},
    "plugins": ["ComputeRank('rank')", "ComputeIdFrom('_timestamp', 'timeSpan', 'dataType', 'page', 'rank')"],
    "chunk-size": CHUNK_SIZE,
}


def run() -> Iterator[Figure]:
    """Measure the way of RECORDS rows from the vendor's answer to a data set in another thread."""
    rows, metrics = _answer()
    with tempfile.TemporaryDirectory() as folder, BackdropSimulator(keep_requests=0) as backdrop:
        backdrop.add_data_set("shop", "pages", token="token")
        url = backdrop.data_set_url("shop", "pages")
        data_set = {"url": url, "token": "token", "data-group": "shop", "data-type": "pages", "dry_run": False}
        began = time.perf_counter()
        records = DataParser(rows, _OPTIONS, "pages").get_data(metrics)
        parsed = time.perf_counter()
        sink = BackdropSink(url, Secret("token"))
        with Outbox(Path(folder) / "pp-collector.outbox") as outbox:
            configure(outbox, [sink])
            with outlet_in_force(RunOutlet(outbox, sink, [])):
                Pusher(data_set, _OPTIONS).push(records)
            kept = time.perf_counter()
            with Delivery(outbox, [sink], stop=threading.Event(), tries_again=False) as delivery:
                (report,) = delivery.deliver_now()
            taken = time.perf_counter()
    if report.error is not None or report.points != RECORDS:
        raise RuntimeError(f"not delivered: {report}")
    yield Figure("pp-collector: records parsed and plugged", RECORDS / (parsed - began), "records/s")
    yield Figure("pp-collector: records kept in the outbox", RECORDS / (kept - parsed), "records/s")
    yield Figure("pp-collector: records taken by a data set", RECORDS / (taken - kept), "records/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Figure("pp-collector: peak memory, vendor's answer and simulator included", peak, "MiB")


def _answer() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the rows of a year of weeks, and their metrics."""
    rows: list[dict[str, object]] = []
    metrics: list[dict[str, object]] = []
    for number in range(RECORDS):
        week = _FIRST + timedelta(days=7 * (number * WEEKS // RECORDS))
        dimensions = {"pagePath": f"/page/{number % 1931}", "eventLabel": f"menu:{number % 7}"}
        rows.append({"start_date": week, "dimensions": dimensions})
        metrics.append({"pageviews": number, "timeSpan": "week"})
    return rows, metrics
