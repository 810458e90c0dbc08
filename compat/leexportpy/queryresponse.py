"""Old import path of the answers as objects."""

from importer.leexport.response import (
    DATEFORMAT,
    GroupByStatisticsResponse,
    QueryLeql,
    QueryResponse,
    StatisticsResponse,
    TimeSeriesStatisticsResponse,
)

__all__ = [
    "DATEFORMAT",
    "GroupByStatisticsResponse",
    "QueryLeql",
    "QueryResponse",
    "StatisticsResponse",
    "TimeSeriesStatisticsResponse",
]
