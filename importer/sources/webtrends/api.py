"""Ask the Data Extraction API of Webtrends, whose addresses the credentials tell whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from importer.collector.content import address
from importer.collector.vendor import RETRIES, Vendor
from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import BadAnswer
from importer.http_client import RetryPolicy
from importer.proxies import read_proxies

SOURCE = "webtrends"
V3 = "v3"

Periods = list[tuple[str, str]]
"""First and last period of each request, such as `2014m08d03` or `current_day-1`."""


@dataclass(frozen=True, slots=True)
class Access:
    """One of the two addresses, and how to log in there."""

    url: str
    user: str
    password: Secret
    api_version: str
    """`v3`; anything else is v2."""
    proxies: Mapping[str, str] | None = None


def read_access(keys: ObjectReader, *, url_key: str) -> Access:
    """Return what a credentials file of pp-collector says; raises ConfigError with every mistake in it.

    `url_key` is `reports_url` or `keymetrics_url`.
    """
    access = Access(
        url=address(keys, url_key),
        user=keys.text("user"),
        password=keys.secret("password"),
        api_version=V3 if keys.value("api_version") == V3 else "v2",
        proxies=read_proxies(keys),
    )
    keys.finish(refuse_unknown=False)
    return access


class WebtrendsApi:
    """One address of the API. Raises ValueError for what is no address."""

    def __init__(self, access: Access, *, retries: RetryPolicy = RETRIES) -> None:
        self._login = (access.user, access.password.reveal())
        self._vendor = Vendor(SOURCE, access.url, proxies=access.proxies, retries=retries)

    def data(self, path: str, periods: tuple[str, str], **parameters: str) -> object:
        """Return what an answer holds as `data`, for a path put behind the address; raises SourceError."""
        start, end = periods
        params = {"start_period": start, "end_period": end, "format": "json", **parameters}
        answer = self._vendor.ask_json(path, params=params, basic=self._login)
        if not isinstance(answer, Mapping) or "data" not in answer:
            raise BadAnswer(SOURCE, 'the answer holds no "data"')
        return answer["data"]

    def close(self) -> None:
        """Close the connections."""
        self._vendor.close()
