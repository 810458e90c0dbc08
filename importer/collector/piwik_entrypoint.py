"""piwik.core: what a method of Piwik's Reporting API says of each day, week or month, as records."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from importer.collector.content import reader_of, text_or_number
from importer.collector.dates import first_and_last_day
from importer.collector.documents import DataParser
from importer.collector.outlet import DataSetConfig
from importer.collector.periods import TIME_SPANS
from importer.collector.pusher import Pusher
from importer.collector.vendor import RETRIES
from importer.config import ObjectReader
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.sources.piwik.api import SOURCE, PiwikApi, read_access
from importer.sources.piwik.parse import first_day, parse_rows

FREQUENCY = "weekly"


class BaseFetcher:
    """What both fetchers share: the site, the method and how to log in. Raises ConfigError."""

    def __init__(
        self, credentials: Mapping[str, object], query: Mapping[str, object], *, retries: RetryPolicy = RETRIES
    ) -> None:
        self._access = read_access(reader_of(credentials, "credentials"))
        self._retries = retries
        keys = reader_of(query, "query")
        self._parameters = {"method": keys.text("api_method"), "idSite": text_or_number(keys, "site_id")}
        self._read(keys)
        keys.finish(refuse_unknown=False)

    def fetch(self) -> object:
        """Return Piwik's answer; raises SourceError."""
        with closing(PiwikApi(self._access, retries=self._retries)) as api:
            return api.ask(self._parameters)

    def _read(self, keys: ObjectReader) -> None:
        """Add the parameters that only some methods have."""


class Fetcher(BaseFetcher):
    """Asks for days, weeks or months: those of the dates, or the last one that is over."""

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
        self._date = self.set_piwik_date(start_at, end_at)
        super().__init__(credentials, query, retries=retries)

    @staticmethod
    def set_piwik_date(start_at: datetime | None, end_at: datetime | None) -> str:
        """Return the dates as Piwik wants them; raises BadDates."""
        days = first_and_last_day(start_at, end_at)
        return "previous1" if days is None else f"{days[0]},{days[1]}"

    def _read(self, keys: ObjectReader) -> None:
        self._parameters |= {"period": _period_of(keys), "date": self._date}
        arguments = keys.value("api_method_arguments")
        if arguments is not None and not isinstance(arguments, Mapping):
            keys.problem("api_method_arguments", "is not an object")
        elif arguments is not None:
            self._parameters |= {str(name): _argument(value) for name, value in arguments.items()}


class Parser:
    """Makes records of an answer. Raises ConfigError for a query or options with mistakes."""

    def __init__(self, query: Mapping[str, object], options: Mapping[str, object], data_type: str) -> None:
        keys = reader_of(query, "query")
        self._period = _period_of(keys)
        keys.finish(refuse_unknown=False)
        option_keys = reader_of(options, "options")
        self._mappings = option_keys.mapping_of_text("mappings", {})
        option_keys.finish(refuse_unknown=False)
        self._options = {key: value for key, value in options.items() if key != "mappings"}
        self._data_type = data_type
        DataParser([], self._options, data_type)  # what is wrong with them is told before anything is asked

    def parse(self, data: object) -> list[dict[str, object]]:
        """Return a record for each row of each period; raises BadAnswer."""
        try:
            rows = parse_rows(data)
        except ValueError as error:
            raise BadAnswer(SOURCE, str(error)) from error
        items: list[dict[str, object]] = [{"start_date": row.start} for row in rows]
        fields = [{**self._mapped(row.fields), "timeSpan": self._period} for row in rows]
        return DataParser(items, self._options, self._data_type).get_data(fields)

    @staticmethod
    def to_datetime(date_key: str) -> datetime:
        """Return the first day named in a key of an answer, UTC; raises ValueError."""
        return first_day(date_key)

    def _mapped(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Return the fields that the mappings name, under their new names; without mappings, all that a record takes.

        This is the one step of the mapping: DataParser is not given it.
        """
        if not self._mappings:
            return {key: value for key, value in fields.items() if not isinstance(value, list | dict)}
        return {new: fields[old] for old, new in self._mappings.items() if old in fields}


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
    """Ask Piwik for the periods and push what it says; raises ImporterError."""
    fetcher = Fetcher(credentials, query, start_at, end_at, retries=retries)
    parser = Parser(query, options, str(data_set_config["data-type"]))
    pusher = Pusher(data_set_config, options)
    pusher.push(parser.parse(fetcher.fetch()))


def _period_of(keys: ObjectReader) -> str:
    return TIME_SPANS[keys.choice("frequency", tuple(TIME_SPANS), FREQUENCY)]


def _argument(value: object) -> str:
    """Return a parameter's value as Piwik reads it."""
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(map(_argument, value)) if isinstance(value, list) else str(value)
