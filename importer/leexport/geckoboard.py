"""geckoboard: answers as dashboard widgets. Each push replaces the one before, so only the newest is kept."""

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.http_request import split_url
from importer.leexport.destination_keys import http_url, title
from importer.leexport.fitting import statistics_of
from importer.leexport.outlet import Destination, QueuedOutlet, Surroundings
from importer.leexport.service import BuiltInService
from importer.leexport.widgets import CHARTS, DATASET, WIDGET_TYPES, Data, dataset
from importer.points import Payload
from importer.sinks.geckoboard import DATASETS_URL, GeckoboardSink, dataset_payload, is_dataset_id, widget_payload
from importer.sources.logentries.statistics import Statistics

logger = logging.getLogger(__name__)

DEFAULT_DATASET_FIELD = "Value"


def build_outlet(destination: Destination, keys: ObjectReader, surroundings: Surroundings) -> QueuedOutlet | None:
    """Return the outlet of a search; None after adding to `keys.problems` what is wrong."""
    widget_type = keys.choice("widget_type", WIDGET_TYPES)
    push_url = http_url(keys, "push_url", DATASETS_URL if widget_type == DATASET else None)
    if widget_type == DATASET and not is_dataset_id(dataset_id := keys.text("dataset")) and dataset_id:
        keys.problem("dataset", "is not a dataset's id, such as web.requests")
    if destination.api_key is None:
        keys.problem("service", "needs an api_key in [Services] [[geckoboard]]")
    if not push_url or destination.api_key is None:
        return None
    client = surroundings.clients.get(split_url(push_url)[0])
    sink = GeckoboardSink(
        push_url=push_url,
        api_key=destination.api_key,
        lane=destination.lane,
        is_dataset=widget_type == DATASET,
        client=client,
    )
    sink.family = destination.family(push_url, widget_type, str(keys.value("dataset")))
    encode = _encoder(widget_type, dict(destination.keys))
    return QueuedOutlet(sink, lambda answer: [encode(statistics_of(answer))])


def _encoder(widget_type: str, keys: dict[str, Any]) -> Callable[[Statistics], Payload]:
    """Return the function that makes the payload of a widget of this type; it raises Unfit."""
    if widget_type != DATASET:
        heading = title(keys, "name" if widget_type == "line_chart" else "text")
        return lambda statistics: widget_payload(CHARTS[widget_type](statistics, heading))
    name = title(keys, "name") or DEFAULT_DATASET_FIELD

    def encode(statistics: Statistics) -> Payload:
        fields, unique_by, rows = dataset(statistics, name=name)
        return dataset_payload(dataset=keys[DATASET], fields=fields, unique_by=unique_by, rows=rows)

    return encode


class GeckoboardService(BuiltInService):
    """The service as a class."""

    def format_line_chart_data(self) -> Data | None:
        """Return `{"data": ...}` of a line chart, None for an answer that does not fit."""
        return self._formatted("line_chart")

    def format_bar_chart_data(self) -> Data | None:
        """Return `{"data": ...}` of a bar chart, None for an answer that does not fit."""
        return self._formatted("bar_chart")

    def format_pie_chart_data(self) -> Data | None:
        """Return `{"data": ...}` of a pie chart, None for an answer that does not fit."""
        return self._formatted("pie_chart")

    def format_number_stat_data(self) -> Data | None:
        """Return `{"data": ...}` of a number, None for an answer that does not fit."""
        return self._formatted("number_stat")

    def _transform(self) -> Any:
        """Return the body of the push, or the payload of a dataset; None for an answer that does not fit."""
        widget_type = str(self.destination_config.get("widget_type"))
        if widget_type == DATASET:
            encode = _encoder(DATASET, dict(self.destination_config))
            return self._fitting(lambda: encode(statistics_of(self.response)))
        if widget_type not in CHARTS:
            logger.warning("unknown widget_type: %s", widget_type)
            return None
        formatted: Data | None = getattr(self, f"format_{widget_type}_data")()
        return None if formatted is None else {"api_key": self.api_key, **formatted}

    def _push(self, payload: Any) -> bool:
        """Push what `_transform` returned; returns whether there was anything."""
        if not super()._push(payload):
            return False
        push_url = str(self.destination_config.get("push_url") or DATASETS_URL)
        sink = GeckoboardSink(push_url=push_url, api_key=Secret(self.api_key or ""), lane="geckoboard")
        with closing(sink):
            sink.deliver(payload if isinstance(payload, Payload) else widget_payload(payload["data"]))
        return True

    def _formatted(self, widget_type: str) -> Data | None:
        heading = title(self.destination_config, "name" if widget_type == "line_chart" else "text")
        data = self._fitting(lambda: CHARTS[widget_type](statistics_of(self.response), heading))
        return None if data is None else {"data": data}
