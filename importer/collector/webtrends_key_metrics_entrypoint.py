"""webtrends.keymetrics: page views, visits and so on of a profile, by hour (v2) or by day (v3), as records."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import ClassVar

from importer.collector.dates import first_and_last_day
from importer.collector.outlet import DataSetConfig
from importer.collector.vendor import RETRIES
from importer.collector.webtrends_entrypoint import BaseCollector, BaseParser, Parsers
from importer.http_client import RetryPolicy
from importer.sources.webtrends.api import Periods, WebtrendsApi
from importer.sources.webtrends.parse import Row, parse_key_metrics_v2, parse_key_metrics_v3


class V2Parser(BaseParser):
    """Makes a record of each hour."""

    def _rows(self, item: object) -> list[Row]:
        return parse_key_metrics_v2(item)


class V3Parser(BaseParser):
    """Makes a record of each profile of each period."""

    def _rows(self, item: object) -> list[Row]:
        return parse_key_metrics_v3(item)


class Collector(BaseCollector):
    """Asks for all days in one request, or for the last hour."""

    url_key = "keymetrics_url"
    parsers: ClassVar[Parsers] = {"v2": V2Parser, "v3": V3Parser}

    @classmethod
    def date_range_for_webtrends(cls, start_at: date | None = None, end_at: date | None = None) -> Periods:
        """Return the first and last day, or the last hour; raises BadDates."""
        days = first_and_last_day(start_at, end_at)
        if days is None:
            return [("current_hour-1", "current_hour-1")]
        return [(cls.parse_date_for_query(days[0]), cls.parse_date_for_query(days[1]))]

    def _ask(self, api: WebtrendsApi, periods: tuple[str, str]) -> object:
        return api.data("", periods, userealtime="True")


def main(  # noqa: PLR0917 - the contract of every entrypoint
    credentials: Mapping[str, object],
    data_set_config: DataSetConfig,
    query: Mapping[str, object],
    options: Mapping[str, object],
    start_at: datetime | None,
    end_at: datetime | None,
    *,
    retries: RetryPolicy = RETRIES,
) -> None:
    """Ask Webtrends for key metrics and push them; raises ImporterError."""
    collector = Collector(credentials, query, start_at, end_at, retries=retries)
    collector.collect_parse_and_push(data_set_config, options)
