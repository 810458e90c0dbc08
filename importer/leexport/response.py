"""Answers of the query API as objects, for users' own services: the classes that the old package had.

>>> answer = {
...     "leql": {"statement": "where(main) calculate(count)", "during": {"from": 1700000040000, "to": 1700000220000}},
...     "statistics": {
...         "type": "count", "from": 1700000040000, "to": 1700000220000, "granularity": 90000, "count": 12.0,
...         "timeseries": {"global_timeseries": [{"count": 12.0}, {"count": 0.0}]},
...     },
... }
>>> response = TimeSeriesStatisticsResponse(answer)
>>> response.get_keys(), response.get_values()
(['2023-11-14T22:14:00Z', '2023-11-14T22:15:30Z'], [12.0, 0.0])
"""

import json
from collections.abc import Mapping
from typing import Any

from importer.leexport.fitting import Answer
from importer.sources.logentries.statistics import (
    TIME_FORMAT,
    Number,
    Statistics,
    first_series,
    parse_statistics,
    time_text,
)

DATEFORMAT = TIME_FORMAT


class QueryResponse:
    """An answer, of events or of statistics."""

    def __init__(self, data: Answer) -> None:
        self.data = data

    @classmethod
    def is_events(cls, data: Answer) -> bool:
        """Return whether an answer holds events; an empty list of them counts."""
        return data.get("events") is not None

    @classmethod
    def is_statistics(cls, data: Answer) -> bool:
        """Return whether an answer holds statistics."""
        return data.get("statistics") is not None


class StatisticsResponse(QueryResponse):
    """An answer of statistics: what those of groups and those over time have in common.

    What the vendor leaves out is None. Getters of values raise ValueError for statistics that cannot be read.
    """

    def __init__(self, data: Answer) -> None:
        super().__init__(data)
        leql = data.get("leql") or {}
        during = leql.get("during") or {}
        self.leql = QueryLeql(during.get("from"), during.get("to"), leql.get("statement"))
        self.statistics: Mapping[str, Any] = data.get("statistics") or {}

    def get_granularity(self) -> Any:
        """Return how far apart the points of a series are, in ms."""
        return self.statistics.get("granularity")

    def get_count(self) -> Any:
        """Return the total."""
        return self.statistics.get("count")

    def get_from(self) -> Any:
        """Return the begin of the window, in ms since 1970 UTC."""
        return self.statistics.get("from")

    def get_to(self) -> Any:
        """Return the end of the window, in ms since 1970 UTC."""
        return self.statistics.get("to")

    @classmethod
    def is_groupby(cls, data: Answer) -> bool:
        """Return whether an answer holds groups, one at the least."""
        return bool((data.get("statistics") or {}).get("groups"))

    @classmethod
    def is_timeseries(cls, data: Answer) -> bool:
        """Return whether an answer holds a time series, which may be without points."""
        return bool((data.get("statistics") or {}).get("timeseries"))

    def get_data_length(self) -> int:
        """Return how many points or groups there are."""
        raise NotImplementedError

    def get_keys(self) -> list[str]:
        """Return the time of each point, or the label of each group."""
        raise NotImplementedError

    def get_values(self) -> list[Number | None]:
        """Return the value of each point or group."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the answer, its query and its statistics as JSON for people."""
        return _pretty({"data": self.data, "leql": vars(self.leql), "statistics": self.statistics})

    def _parsed(self) -> Statistics:
        return parse_statistics(self.data)


class TimeSeriesStatisticsResponse(StatisticsResponse):
    """An answer with a value for each of some points in time."""

    def get_timeseries(self) -> list[Any]:
        """Return the points of the first series, as they are in the answer; none without a series."""
        found = first_series(self.statistics)
        return [] if found is None else list(found[1])

    def get_count(self) -> Number | None:
        """Return the total of the series: what was calculated, over the whole window."""
        return self._parsed().total

    def get_data_length(self) -> int:
        """Return how many points there are."""
        return len(self.get_timeseries())

    def get_keys(self) -> list[str]:
        """Return the time of each point as DATEFORMAT has it, in UTC."""
        return list(self._parsed().time_texts())

    def get_values(self) -> list[Number | None]:
        """Return the value of each point, None where the vendor has none."""
        return list(self._parsed().series or ())

    @staticmethod
    def convert_timestamp_to_str(timestamp: float | str) -> str:
        """Return a time in ms since 1970 UTC as DATEFORMAT has it, in UTC, cut to whole seconds."""
        return time_text(int(timestamp))


class GroupByStatisticsResponse(StatisticsResponse):
    """An answer with a value for each of some groups; the labels of groups inside of others are joined."""

    def get_groups(self) -> list[Any]:
        """Return the groups as they are in the answer."""
        return list(self.statistics.get("groups") or ())

    def get_data_length(self) -> int:
        """Return how many labels and values there are."""
        return len(self._pairs())

    def get_keys(self) -> list[str]:
        """Return the label of each group."""
        return [label for label, _ in self._pairs()]

    def get_values(self) -> list[Number | None]:
        """Return the value of each group, None where the vendor has none."""
        return [value for _, value in self._pairs()]

    def _pairs(self) -> tuple[tuple[str, Number | None], ...]:
        return self._parsed().groups or ()


class QueryLeql:
    """What was asked: a LEQL statement over a window, whose ends are in ms since 1970 UTC."""

    def __init__(self, from_timestamp: int | None, to_timestamp: int | None, statement: str | None) -> None:
        self.during = {"from": from_timestamp, "to": to_timestamp}
        self.statement = statement

    def to_json(self) -> str:
        """Return it as JSON for people."""
        return _pretty(vars(self))


def _pretty(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=4)
