"""One account's view of Google Analytics: whichever API the id calls for, asked in the words of the old one."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from importer.collector.vendor import RETRIES
from importer.errors import ConfigError, Problem, SourceError
from importer.http_client import RetryPolicy
from importer.sources.google.account import Account, property_of
from importer.sources.google.api import GoogleApi, TokenSource
from importer.sources.google.core_v3 import CoreV3
from importer.sources.google.data_api import DataApi
from importer.sources.google.names import SOURCE, Names
from importer.sources.google.question import Question, Row, names_in, texts_in

DATA_API_URL = "https://analyticsdata.googleapis.com/"
SWITCHED_OFF = (
    "Google switched Core Reporting v3 off on 1 July 2024; give a GA4 property (properties/123) as id in the query, "
    "or map the old id to one by PROPERTIES in the credentials, or give the url of what still speaks v3 there"
)
_ID_EXPECTED = 'a view ("ga:123") or a property ("properties/123") is expected'
_NOT_PASSED_ON = ("api", "names")


def _ignore(_id: str) -> None:
    """Do nothing at a request."""


class GoogleClient:
    """Google Analytics. `query.get(...)` gives the rows of one period, `active_users` who is there now."""

    def __init__(
        self,
        account: Account,
        *,
        on_request: Callable[[str], None] = _ignore,
        retries: RetryPolicy = RETRIES,
        stop: threading.Event | None = None,
    ) -> None:
        self._account = account
        self._on_request = on_request
        self._retries = retries
        self._stop = stop
        self._tokens: TokenSource | None = None
        self._apis: dict[str, GoogleApi] = {}
        self.query = QueryClient(self)

    def rows(self, question: Question, *, api: str = "", names: Mapping[str, str] | None = None) -> Iterator[Row]:
        """Return the rows of a question; `api` and `names` are the query's own. Raises SourceError."""
        property_name = self._property(question.id, api)
        if not property_name:
            return CoreV3(self._api(self._v3_url()), on_request=self._on_request).rows(question)
        return self._data_api().rows(replace(question, id=property_name), Names(self._account.names, names or {}))

    def active_users(self, query: Mapping[str, object]) -> int:
        """Return how many users are active now; `query` is what v3 takes as parameters. Raises SourceError."""
        view = query.get("ids", query.get("id"))
        if not isinstance(view, str):
            raise SourceError(
                SOURCE, 'query.ids: is missing; a view ("ga:123") or a property ("properties/123") is expected'
            )
        property_name = self._property(view.removeprefix("ga:"), str(query.get("api") or ""))
        if not property_name:
            parameters = {key: value for key, value in query.items() if key not in _NOT_PASSED_ON}
            return CoreV3(self._api(self._v3_url()), on_request=self._on_request).active_users(parameters)
        own = query.get("names")
        names = Names(self._account.names, own if isinstance(own, Mapping) else {})
        return self._data_api().active_users(property_name, texts_in(query.get("filters"), "query.filters"), names)

    def close(self) -> None:
        """Close the connections; the client can be used again."""
        for api in self._apis.values():
            api.close()

    def _property(self, view: str, api: str) -> str:
        """Return the property to ask about; empty where v3 is to be asked. `view` is without `ga:`."""
        if view.startswith("properties/"):
            if not property_of(view):
                raise SourceError(SOURCE, f"query.id: {view} is not a property, such as properties/123")
            return view
        wanted = api or self._account.api
        if wanted == "v3":
            return ""
        if view in self._account.properties:
            return self._account.properties[view]
        if wanted == "ga4" and property_of(view):
            return property_of(view)
        if self._account.properties:
            raise SourceError(SOURCE, f"query.id: ga:{view} is not among PROPERTIES of the credentials; add it there")
        return ""

    def _v3_url(self) -> str:
        if not self._account.url:
            raise SourceError(SOURCE, SWITCHED_OFF)
        return self._account.url

    def _data_api(self) -> DataApi:
        return DataApi(self._api(self._account.url or DATA_API_URL), on_request=self._on_request)

    def _api(self, url: str) -> GoogleApi:
        if url not in self._apis:
            self._apis[url] = GoogleApi(
                url, self._authorized(), proxies=self._account.proxies, retries=self._retries, stop=self._stop
            )
        return self._apis[url]

    def _authorized(self) -> TokenSource:
        if self._tokens is None:
            self._tokens = _token_source(self._account, retries=self._retries, stop=self._stop)
        return self._tokens


class QueryClient:
    """The reports of a client, as gapy's `client.query` gave them."""

    def __init__(self, client: GoogleClient) -> None:
        self._client = client

    def get(  # noqa: PLR0917 - the order is the old client's
        self,
        ids: str | Sequence[str],
        start_date: date,
        end_date: date,
        metrics: str | Sequence[str],
        dimensions: str | Sequence[str] | None = None,
        filters: str | Sequence[str] | None = None,
        max_results: int | None = None,
        sort: str | Sequence[str] | None = None,
        segment: str | None = None,
        *,
        api: str = "",
        names: Mapping[str, str] | None = None,
    ) -> Iterator[Row]:
        """Return the rows of a report about the days from start_date to end_date; raises SourceError."""
        question = Question(
            _view(ids),
            start_date,
            end_date,
            names_in(metrics, "query.metrics"),
            dimensions=names_in(dimensions, "query.dimensions"),
            filters=texts_in(filters, "query.filters"),
            sort=names_in(sort, "query.sort"),
            max_results=max_results or None,
            segment=segment or "",
        )
        if not question.metrics:
            raise SourceError(SOURCE, 'query.metrics: is missing; a list of names is expected, such as ["sessions"]')
        return self._client.rows(question, api=api, names=names)


def _view(ids: str | Sequence[str]) -> str:
    views = names_in(ids, "query.id")
    if len(views) != 1:
        raise SourceError(SOURCE, f"query.id: is not one id; {_ID_EXPECTED}")
    return views[0].removeprefix("ga:")


def _token_source(account: Account, *, retries: RetryPolicy, stop: threading.Event | None) -> TokenSource:
    try:
        from importer.sources.google.login import build_authorizer
        from importer.sources.google.transport import TokenTransport
    except ImportError as error:
        what = "google-auth is not installed: install metrics-importer[google], or google-auth"
        raise ConfigError(Problem("Google credentials", what)) from error
    return build_authorizer(account.login, TokenTransport(proxies=account.proxies, retries=retries, stop=stop))
