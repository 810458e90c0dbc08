"""What an answer becomes in a Geckoboard widget: the value under `data`, or a dataset. Pure.

The widgets are Geckoboard's custom widgets (https://support.geckoboard.com, 'Guide to using Custom Widgets'), the
dataset its Datasets API (https://developer.geckoboard.com).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from importer.leexport.fitting import time_texts, unfit
from importer.sources.logentries.statistics import Number, Statistics
from importer.surrogate import replaced

MAX_LABEL_LENGTH = 100
"""Of a dataset's string, in characters (developer.geckoboard.com, 'Field types', 2026-11-25)."""

_DIGEST_LENGTH = 8

Data = dict[str, Any]
"""JSON, as Geckoboard's documentation has it."""


def line_chart(statistics: Statistics, *, name: str | None) -> Data:
    """Return a line over time; raises Unfit without a time series."""
    points = [
        [time, value] for time, value in zip(time_texts(statistics), _series(statistics, "line_chart"), strict=True)
    ]
    return {"x_axis": {"type": "datetime"}, "series": [{"name": name, "data": points}]}


def bar_chart(statistics: Statistics) -> Data:
    """Return bars over time, or a bar for each group where there is no time series; raises Unfit without either."""
    if statistics.series is not None:
        return _bars(time_texts(statistics), statistics.series, axis="datetime")
    if statistics.groups is None:
        raise unfit("bar_chart", "a time series or groups", statistics)
    return _bars(*_columns(statistics.groups), axis="standard")


def pie_chart(statistics: Statistics) -> Data:
    """Return a slice for each group; raises Unfit without groups."""
    if statistics.groups is None:
        raise unfit("pie_chart", "groups", statistics)
    return {"item": [{"label": label, "value": value} for label, value in statistics.groups]}


def number_stat(statistics: Statistics, *, text: str | None) -> Data:
    """Return the total; raises Unfit without a time series."""
    _series(statistics, "number_stat")
    return {"item": [{"value": statistics.total, "text": text}]}


def dataset(statistics: Statistics, *, name: str) -> tuple[Mapping[str, object], Sequence[str], Sequence[Data]]:
    """Return the fields, what makes a record unique, and the records of a dataset, those without a value left out.

    Raises Unfit without series and groups.
    """
    if statistics.series is not None:
        key, key_field = "timestamp", {"type": "datetime", "name": "Time"}
        keys: Sequence[str] = time_texts(statistics)
        values: Sequence[Number | None] = statistics.series
    elif statistics.groups is not None:
        key, key_field = "label", {"type": "string", "name": "Label"}
        labels, values = _columns(statistics.groups)
        keys = [_bounded(label) for label in labels]
    else:
        raise unfit("dataset", "a time series or groups", statistics)
    fields = {key: key_field, "value": {"type": "number", "name": name}}
    rows = [{key: text, "value": value} for text, value in zip(keys, values, strict=True) if value is not None]
    return fields, [key], rows


CHARTS: Mapping[str, Callable[[Statistics, str | None], Data]] = {
    "line_chart": lambda statistics, title: line_chart(statistics, name=title),
    "bar_chart": lambda statistics, _title: bar_chart(statistics),
    "pie_chart": lambda statistics, _title: pie_chart(statistics),
    "number_stat": lambda statistics, title: number_stat(statistics, text=title),
}
"""The widget types, with the `name` of a line and the `text` of a number as title."""
DATASET = "dataset"
WIDGET_TYPES = (*CHARTS, DATASET)


def _bounded(label: str) -> str:
    """Return a label that a dataset can hold: of a longer one a part, and a digest that keeps it apart from others."""
    if len(label) <= MAX_LABEL_LENGTH:
        return label
    digest = hashlib.sha256(replaced(label).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{label[: MAX_LABEL_LENGTH - 1 - _DIGEST_LENGTH]}…{digest}"


def _series(statistics: Statistics, widget: str) -> Sequence[Number | None]:
    if statistics.series is None:
        raise unfit(widget, "a time series", statistics)
    return statistics.series


def _columns(groups: Sequence[tuple[str, Number | None]]) -> tuple[list[str], list[Number | None]]:
    return [label for label, _ in groups], [value for _, value in groups]


def _bars(labels: Sequence[str], values: Sequence[Number | None], *, axis: str) -> Data:
    return {
        "x_axis": {"labels": list(labels), "type": axis},
        "y_axis": {"format": "decimal"},
        "series": [{"data": list(values)}],
    }
