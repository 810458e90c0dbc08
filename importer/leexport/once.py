"""Every search exactly once, side by side: for cron, for tests, and to see what would be pushed."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TextIO

from importer.delivery import Delivery
from importer.lane import LaneReport, configure
from importer.leexport.config import Configuration, Search
from importer.leexport.descriptors import searches_at_once
from importer.leexport.outlet import PluginOutlet
from importer.leexport.run import SearchRunner, failure_of, sinks_of
from importer.outbox import Outbox
from importer.parallel import make_pool, map_ordered, map_unordered
from importer.self_metrics.publisher import OFF, SelfMetrics
from importer.sources.logentries.api import LogSearch
from importer.tally import Tally, record

MAX_NAMES = 10
"""Of searches, in one line."""


def run_once(
    configuration: Configuration,
    outbox: Outbox,
    *,
    stop: threading.Event,
    progress: Callable[[], None],
    self_metrics: SelfMetrics = OFF,
) -> list[str]:
    """Ask for every search, push what the answers become, and return what was not pushed, a line each.

    What earlier runs could not push is tried at once. `progress` is called when a search is done. Raises OutboxError.
    """
    tally = Tally()
    searches = configuration.searches
    sinks = sinks_of(searches)
    configure(outbox, sinks)
    failures = [f"{outbox.path}: {outbox.damage}"] if outbox.damage else []
    ended: set[str] = set()
    width = searches_at_once(len(searches))
    with (
        closing(LogSearch(configuration.account, stop=stop)) as source,
        Delivery(outbox, sinks, stop=stop, tries_again=False) as delivery,
        make_pool(width, "kept", stop=stop) as kept_pool,
        make_pool(width, "search", stop=stop) as pool,  # threads for a single search too: a user's service may hang
    ):
        runner = SearchRunner(source, outbox, tally)
        kept = {
            state.lane: kept_pool.submit(delivery.deliver_now, [state.lane])
            for state in outbox.lanes()
            if state.payloads
        }

        def run_and_push(search: Search) -> list[str]:
            reasons = list(_run_and_push(search, runner, delivery, kept))
            return [failure_of(search, "; ".join(reasons))] if reasons else []

        for outcome in map_unordered(pool, run_and_push, searches, window=width, stop=stop):
            failures += outcome.result()
            ended.add(outcome.item.name)
            progress()
        record(outbox, tally)
        delivery.deliver_now(self_metrics.publish(outbox, sinks))
    if stop.is_set():
        what = "asked to stop before everything was pushed; what was obtained is kept"
        failures.append(what + _not_ended(searches, ended))
    return failures


def _run_and_push(
    search: Search, runner: SearchRunner, delivery: Delivery, kept: Mapping[str, Future[list[LaneReport]]]
) -> Iterator[str]:
    """Run a search, and make a pass over its lane; yield each reason why something went wrong.

    `kept` is under way already: what came of the lanes in which something waited. A destination that has failed
    is not tried again.
    """
    reason = runner.run(search)
    if reason:
        yield reason
    if isinstance(search.outlet, PluginOutlet):
        return
    lane = search.outlet.sink.lane
    reports = kept[lane].result() if lane in kept else []
    if not any(report.error for report in reports):
        reports = [*reports, *delivery.deliver_now([lane])]
    for report in reports:
        if report.rejected:
            yield f"payloads set aside ({report.rejected}): {report.rejection}; see 'metrics-importer outbox list'"
        if report.error is not None:
            yield f"not pushed, kept: {report.error}"


def _not_ended(searches: Sequence[Search], ended: Collection[str]) -> str:
    """Return what is to be said of the searches that the stop has cut short, such as a user's service that hangs."""
    names = [f"[[{search.name}]]" for search in searches if search.name not in ended]
    others = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"; not ended: {', '.join(names[:MAX_NAMES])}{others}" if names else ""


def dry_run(configuration: Configuration, *, stop: threading.Event, out: TextIO) -> list[str]:
    """Ask for every search, print what would be pushed, and return what could not be obtained, a line each."""
    searches = configuration.searches
    width = searches_at_once(len(searches))
    failures = []
    ended: set[str] = set()

    def preview(search: Search) -> str:
        return "\n".join(_preview(search, source))

    with (
        closing(LogSearch(configuration.account, stop=stop)) as source,
        make_pool(width, "search", stop=stop) as pool,
    ):
        for outcome in map_ordered(pool, preview, searches, window=width, stop=stop):
            search = outcome.item
            ended.add(search.name)
            if outcome.error is not None:
                failures.append(failure_of(search, outcome.error))
            else:
                print(f"# {search.name} -> {search.destination.service}\n{outcome.result()}", file=out)
    if stop.is_set():
        failures.append("asked to stop before everything was obtained" + _not_ended(searches, ended))
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
