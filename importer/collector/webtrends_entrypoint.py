"""webtrends: what both kinds of collections share, and the choice between them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import ClassVar

from importer.collector.content import reader_of
from importer.collector.documents import DataParser
from importer.collector.outlet import DataSetConfig
from importer.collector.pusher import Pusher
from importer.collector.vendor import RETRIES
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.webtrends.api import SOURCE, Periods, WebtrendsApi, read_access
from importer.sources.webtrends.parse import Row


class BaseParser(ABC):
    """Makes records of the `data` of some answers. Raises ConfigError for options with mistakes."""

    def __init__(self, options: Mapping[str, object], data_type: str) -> None:
        self.options = options
        self.data_type = data_type
        DataParser([], options, data_type)  # what is wrong with them is told before anything is asked

    def parse(self, data: Sequence[object]) -> list[dict[str, object]]:
        """Return a record for each row of each answer; raises BadAnswer."""
        items: list[dict[str, object]] = []
        fields: list[dict[str, object]] = []
        for item in data:
            more_items, more_fields = self.parse_item(item)
            items += more_items
            fields += more_fields
        return DataParser(items, self.options, self.data_type).get_data(fields)

    def parse_item(self, item: object) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """Return when each row of one answer begins, and the fields of each; raises BadAnswer."""
        try:
            rows = self._rows(item)
        except ValueError as error:
            raise BadAnswer(SOURCE, str(error)) from error
        return [{"start_date": row.start} for row in rows], [self._fields(row) for row in rows]

    @abstractmethod
    def _rows(self, item: object) -> list[Row]: ...

    def _fields(self, row: Row) -> dict[str, object]:
        return dict(row.measures)


Parsers = Mapping[str, Callable[[Mapping[str, object], str], BaseParser]]
"""API version -> what makes the parser of its answers."""


class BaseCollector(ABC):
    """Asks for the periods of the dates, or for the last one that is over."""

    url_key: str
    """Which of the credentials' addresses is asked."""
    parsers: ClassVar[Parsers]

    def __init__(
        self,
        credentials: Mapping[str, object],
        query: Mapping[str, object],
        start_at: datetime | None,
        end_at: datetime | None,
        *,
        retries: RetryPolicy = RETRIES,
    ) -> None:
        """Raise ConfigError, and BadDates for a start after the end."""
        self._access = read_access(reader_of(credentials, "credentials"), url_key=self.url_key)
        self._periods = self.date_range_for_webtrends(start_at, end_at)
        self._retries = retries

    @classmethod
    @abstractmethod
    def date_range_for_webtrends(cls, start_at: date | None = None, end_at: date | None = None) -> Periods:
        """Return first and last period of each request; raises BadDates."""

    def collect(self) -> list[object]:
        """Return the `data` of each answer; raises SourceError."""
        with closing(WebtrendsApi(self._access, retries=self._retries)) as api:
            return [self._ask(api, periods) for periods in self._periods]

    def build_parser(self, data_set_config: DataSetConfig, options: Mapping[str, object]) -> BaseParser:
        """Return the parser for the version of the API; raises ConfigError."""
        return self.parsers[self._access.api_version](options, str(data_set_config["data-type"]))

    def collect_parse_and_push(self, data_set_config: DataSetConfig, options: Mapping[str, object]) -> None:
        """Ask and push what the answers say; raises ImporterError."""
        parser, pusher = self.build_parser(data_set_config, options), Pusher(data_set_config, options)
        pusher.push(parser.parse(self.collect()))

    @staticmethod
    def parse_date_for_query(day: date) -> str:
        """Return a day as Webtrends writes it.

        >>> BaseCollector.parse_date_for_query(date(2014, 8, 3))
        '2014m08d03'
        """
        return f"{day:%Ym%md%d}"

    @abstractmethod
    def _ask(self, api: WebtrendsApi, periods: tuple[str, str]) -> object: ...


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
    """Collect the report that the query names, or key metrics where it names none; raises ImporterError."""
    from importer.collector import webtrends_key_metrics_entrypoint, webtrends_reports_entrypoint  # they import this

    entrypoint = webtrends_reports_entrypoint if "report_id" in query else webtrends_key_metrics_entrypoint
    entrypoint.main(credentials, data_set_config, query, options, start_at, end_at, retries=retries)
