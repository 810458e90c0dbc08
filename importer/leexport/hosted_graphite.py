"""hosted_graphite: answers as Graphite lines, over HTTP, TCP, UDP or TLS."""

from collections.abc import Iterator
from contextlib import closing

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.http_request import split_url
from importer.leexport.destination_keys import metric_name
from importer.leexport.fitting import Unfit, statistics_of, times_ms, unfit
from importer.leexport.outlet import Destination, QueuedOutlet, Surroundings
from importer.leexport.service import BuiltInService
from importer.points import Payload
from importer.sinks.hosted_graphite import HostedGraphiteSink, lines_payload
from importer.sinks.plain_text import clean_element, format_value
from importer.sources.logentries.statistics import Statistics

_LABEL = "{label}"


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> QueuedOutlet | None:
    """Return the outlet of a search; None after adding to `keys.problems` what is wrong."""
    push_url = keys.text("push_url")
    group_metric = _group_metric(keys)
    name = metric_name(keys, required=not group_metric)
    is_http = push_url.startswith(("http://", "https://"))
    if is_http and destination.api_key is None:
        keys.problem("service", "needs an api_key in [Services] [[hosted_graphite]], unless push_url is tcp://...")
    if keys.problems or not push_url:
        return None
    try:
        client = surroundings.clients.get(split_url(push_url)[0]) if is_http else None
        sink = HostedGraphiteSink(push_url=push_url, api_key=destination.api_key, lane=destination.lane, client=client)
    except ValueError as error:
        keys.problem("push_url", str(error))
        return None
    sink.family = destination.family(push_url)
    return QueuedOutlet(sink, lambda answer: _payloads(list(_lines(statistics_of(answer), name, group_metric))))


def _group_metric(keys: ObjectReader) -> str:
    pattern = keys.text("group_metric", "")
    if pattern and _LABEL not in pattern:
        keys.problem("group_metric", f"must hold {_LABEL}, such as web.status.{_LABEL}")
    return metric_name(keys, "group_metric", required=False)


def _payloads(lines: list[str]) -> list[Payload]:
    return [lines_payload(lines)] if lines else []


def _lines(statistics: Statistics, name: str, group_metric: str) -> Iterator[str]:
    """Yield a line for each point, or with group_metric for each group at the window's end; raises Unfit."""
    if statistics.series is not None and name:
        for value, milliseconds in zip(statistics.series, times_ms(statistics), strict=True):
            if value is not None:
                yield f"{name} {format_value(value)} {milliseconds // 1000}"
        return
    if statistics.groups is None or not group_metric:
        raise unfit("hosted_graphite", "a time series" if name else "groups", statistics)
    if statistics.end_ms is None:
        raise Unfit("the answer does not say when its window ends")
    for label, value in statistics.groups:
        if value is not None:
            metric = group_metric.replace(_LABEL, clean_element(label))
            yield f"{metric} {format_value(value)} {statistics.end_ms // 1000}"


class HostedGraphiteService(BuiltInService):
    """The service as a class."""

    def _transform(self) -> str | None:
        """Return the lines, each ended by a line feed; None for an answer that does not fit."""
        name = str(self.destination_config.get("metric_name") or "")
        group_metric = str(self.destination_config.get("group_metric") or "")
        lines = self._fitting(lambda: list(_lines(statistics_of(self.response), name, group_metric)))
        return None if lines is None else "".join(f"{line}\n" for line in lines)

    def _push(self, payload: str | None) -> bool:
        """Push lines; returns whether there were any."""
        if not super()._push(payload) or not payload:
            return False
        api_key = Secret(self.api_key) if self.api_key else None
        with closing(
            HostedGraphiteSink(push_url=str(self.destination_config.get("push_url")), api_key=api_key)
        ) as sink:
            sink.deliver(lines_payload(payload.splitlines()))
        return True
