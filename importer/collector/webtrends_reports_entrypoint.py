"""webtrends.reports: the rows of a report, such as browsers, day by day, as records."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote

from importer.collector.content import reader_of, text_or_number
from importer.collector.dates import first_and_last_day
from importer.collector.outlet import DataSetConfig
from importer.collector.vendor import RETRIES
from importer.collector.webtrends_entrypoint import BaseCollector, BaseParser, Parsers
from importer.http_client import RetryPolicy
from importer.sources.webtrends.api import Periods, WebtrendsApi
from importer.sources.webtrends.parse import Row, parse_report_v2, parse_report_v3


class _ReportParser(BaseParser):
    """Gives the name of a row the field that the options' `row_type_name` says. Raises ConfigError."""

    def __init__(self, options: Mapping[str, object], data_type: str) -> None:
        super().__init__(options, data_type)
        keys = reader_of(options, "options")
        self._row_type_name = keys.text("row_type_name")
        keys.finish(refuse_unknown=False)

    def _fields(self, row: Row) -> dict[str, object]:
        return {self._row_type_name: row.name, **row.measures}


class V2Parser(_ReportParser):
    """Makes a record of each row of each period."""

    def _rows(self, item: object) -> list[Row]:
        return parse_report_v2(item)


class V3Parser(_ReportParser):
    """Makes a record of each row of each period."""

    def _rows(self, item: object) -> list[Row]:
        return parse_report_v3(item)


class Collector(BaseCollector):
    """Asks for each day in a request of its own, or for yesterday."""

    url_key = "reports_url"
    parsers: ClassVar[Parsers] = {"v2": V2Parser, "v3": V3Parser}

    def __init__(
        self,
        credentials: Mapping[str, object],
        query: Mapping[str, object],
        start_at: datetime | None,
        end_at: datetime | None,
        *,
        retries: RetryPolicy = RETRIES,
    ) -> None:
        super().__init__(credentials, query, start_at, end_at, retries=retries)
        keys = reader_of(query, "query")
        self._report_id = text_or_number(keys, "report_id")
        keys.finish(refuse_unknown=False)

    @classmethod
    def date_range_for_webtrends(cls, start_at: date | None = None, end_at: date | None = None) -> Periods:
        """Return each day twice, or yesterday; raises BadDates."""
        days = first_and_last_day(start_at, end_at)
        if days is None:
            return [("current_day-1", "current_day-1")]
        first, last = days
        each = (cls.parse_date_for_query(first + timedelta(days=n)) for n in range((last - first).days + 1))
        return [(day, day) for day in each]

    def _ask(self, api: WebtrendsApi, periods: tuple[str, str]) -> object:
        return api.data(quote(self._report_id, safe=""), periods)


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
    """Ask Webtrends for a report and push its rows; raises ImporterError."""
    collector = Collector(credentials, query, start_at, end_at, retries=retries)
    collector.collect_parse_and_push(data_set_config, options)
