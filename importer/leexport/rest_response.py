"""The wrapper of an answer that the first releases of the old package had; `importer.leexport.response` came later."""

from collections.abc import Mapping
from typing import Any

from importer.leexport.response import GroupByStatisticsResponse, TimeSeriesStatisticsResponse
from importer.sources.logentries.statistics import Number


class LeRestResponse:
    """An answer of statistics: of its groups if it has any, else of its first time series."""

    def __init__(self, json: Mapping[str, Any]) -> None:
        self.json = json

    def has_groups(self) -> bool:
        """Return whether the answer holds groups, one at the least."""
        return GroupByStatisticsResponse.is_groupby(self.json)

    def get_logs(self) -> Any:
        """Return the keys of the logs that were asked, a list."""
        return self.json.get("logs")

    def get_leql(self) -> Any:
        """Return what was asked, a dict."""
        return self.json.get("leql")

    def get_data(self) -> list[Any]:
        """Return the groups or points as they are in the answer."""
        response = self._response()
        return response.get_groups() if isinstance(response, GroupByStatisticsResponse) else response.get_timeseries()

    def get_data_length(self) -> int:
        """Return how many groups or points there are."""
        return self._response().get_data_length()

    def get_statistics_count(self) -> Any:
        """Return the total."""
        return (self.json.get("statistics") or {}).get("count")

    def get_keys(self) -> list[str]:
        """Return the label of each group, or the time of each point."""
        return self._response().get_keys()

    def get_values(self) -> list[Number | None]:
        """Return the value of each group or point."""
        return self._response().get_values()

    def get_granularity(self) -> Any:
        """Return how far apart the points of a series are, in ms."""
        return self._response().get_granularity()

    def _response(self) -> GroupByStatisticsResponse | TimeSeriesStatisticsResponse:
        return (GroupByStatisticsResponse if self.has_groups() else TimeSeriesStatisticsResponse)(self.json)
