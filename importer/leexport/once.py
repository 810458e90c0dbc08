"""Every search exactly once, side by side: for cron, for tests, and to see what would be pushed."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TextIO

from importer.delivery import Delivery
from importer.lane import LaneReport
from importer.leexport.config import Configuration, Search
from importer.leexport.outlet import PluginOutlet
from importer.leexport.run import SearchRunner, Tally, configure, failure_of, record, sinks_of
from importer.outbox import Outbox
from importer.parallel import make_pool, map_ordered, map_unordered
from importer.sources.logentries.api import LogSearch


def run_once(
    configuration: Configuration, outbox: Outbox, *, stop: threading.Event, progress: Callable[[], None]
) -> list[str]:
    """Ask for every search, push what the answers become, and return what was not pushed, a line each.

    What earlier runs could not push is tried at once. `progress` is called when a search is done. Raises OutboxError.
    """
    tally = Tally()
    runner = SearchRunner(LogSearch(configuration.account, stop=stop), outbox, tally)
    searches = configuration.searches
    sinks = sinks_of(searches)
    configure(outbox, sinks)
    failures = [f"{outbox.path}: {outbox.damage}"] if outbox.damage else []
    with (
        Delivery(outbox, sinks, stop=stop, tries_again=False) as delivery,
        make_pool(None, "search", stop=stop) as pool,  # threads for a single search too: a user's service may hang
    ):
        kept = {
            state.lane: pool.submit(delivery.deliver_now, [state.lane]) for state in outbox.lanes() if state.payloads
        }

        def run_and_push(search: Search) -> list[str]:
            return list(_run_and_push(search, runner, delivery, kept))

        for outcome in map_unordered(pool, run_and_push, searches, window=len(searches), stop=stop):
            failures += outcome.result()
            progress()
    if stop.is_set():
        failures.append("asked to stop before everything was pushed; what was obtained is kept")
    record(outbox, tally)
    return failures


def _run_and_push(
    search: Search, runner: SearchRunner, delivery: Delivery, kept: Mapping[str, Future[list[LaneReport]]]
) -> Iterator[str]:
    """Run a search, and make a pass over its lane; yield what went wrong, a line each.

    `kept` is under way already: what came of the lanes in which something waited. A destination that has failed
    is not tried again.
    """
    failure = runner.run(search)
    if failure:
        yield failure
    if isinstance(search.outlet, PluginOutlet):
        return
    lane = search.outlet.sink.lane
    reports = kept[lane].result() if lane in kept else []
    if not any(report.error for report in reports):
        reports = [*reports, *delivery.deliver_now([lane])]
    for report in reports:
        if report.rejected:
            what = f"payloads set aside ({report.rejected}): {report.rejection}; see 'metrics-importer outbox list'"
            yield failure_of(search, what)
        if report.error is not None:
            yield failure_of(search, f"not pushed, kept: {report.error}")


def dry_run(configuration: Configuration, *, stop: threading.Event, out: TextIO) -> list[str]:
    """Ask for every search, print what would be pushed, and return what could not be obtained, a line each."""
    source = LogSearch(configuration.account, stop=stop)
    searches = configuration.searches
    failures = []

    def preview(search: Search) -> str:
        return "\n".join(_preview(search, source))

    with make_pool(max(1, len(searches)), "search", stop=stop) as pool:
        for outcome in map_ordered(pool, preview, searches, window=len(searches), stop=stop):
            search = outcome.item
            if outcome.error is not None:
                failures.append(failure_of(search, outcome.error))
            else:
                print(f"# {search.name} -> {search.destination.service}\n{outcome.result()}", file=out)
    if stop.is_set():
        failures.append("asked to stop before everything was obtained")
    return failures


def _preview(search: Search, source: LogSearch) -> Iterator[str]:
    answer = source.ask(search.query, what=search.name)
    outlet = search.outlet
    if isinstance(outlet, PluginOutlet):
        yield f"the answer is given to {outlet.service_class.__name__}.process()"
        return
    if outlet.preview is not None:
        yield from outlet.preview(answer)
        return
    for payload in outlet.encode(answer):
        yield payload.data.decode(errors="replace").rstrip("\n")
