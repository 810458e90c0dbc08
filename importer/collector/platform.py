"""The files -b and -t: where a data set is, with which token, and which other stores get the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from importer.collector.content import PATH_KEY, address, reader_of
from importer.config import ObjectReader
from importer.credentials import Secret
from importer.destinations import read_destinations
from importer.errors import ConfigError, Problem
from importer.http_client import HttpClient
from importer.http_request import split_url
from importer.proxies import read_proxies
from importer.sinks.backdrop import RETRIES, TIMEOUT_SECONDS, BackdropSink
from importer.sinks.base import PointSink, Sink

_KEPT = "/%"
"""What stays as it is in an address beside letters and digits: a name may be quoted already."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the records of one data set go."""

    data_group: str
    data_type: str
    url: str
    """Of the data set; empty where there is none."""
    token: Secret | None
    data_set: BackdropSink | None
    stores: tuple[PointSink, ...]

    @property
    def sinks(self) -> list[Sink]:
        """Return all destinations."""
        return [*([self.data_set] if self.data_set else []), *self.stores]

    def config(self, *, dry_run: bool) -> dict[str, Any]:
        """Return what entrypoints are given."""
        return {
            "url": self.url,
            "token": None if self.token is None else self.token.reveal(),
            "data-group": self.data_group,
            "data-type": self.data_type,
            "dry_run": dry_run,
        }


def read_platform(
    performanceplatform: Mapping[str, Any], token: Mapping[str, Any], data_set: Mapping[str, Any], *, state: Path
) -> Platform:
    """Return what the contents of the files say; `data_set` is the query's. Raises ConfigError with every mistake."""
    keys = reader_of(performanceplatform, "performanceplatform")
    problems = keys.problems
    place = ObjectReader(keys.file, dict(data_set), where="data-set.", problems=problems)
    group, data_type = place.text("data-group"), place.text("data-type")
    destination = keys.value("destination")
    base = address(keys, "backdrop_url", None if destination is None else "").rstrip("/")
    proxies = read_proxies(keys)
    token_keys = reader_of(token, "token")
    secret = token_keys.secret("token", *([None] if not base else []))
    problems += token_keys.problems
    path = Path(str(performanceplatform.get(PATH_KEY, keys.file)))
    stores = (
        [] if destination is None else read_destinations(path, destination, problems, state=state, where="destination")
    )
    if problems:
        raise ConfigError(problems)
    url = f"{base}/{quote(group, safe=_KEPT)}/{quote(data_type, safe=_KEPT)}" if base else ""
    return Platform(group, data_type, url, secret, _data_set(url, secret, proxies), tuple(stores))


def _data_set(url: str, token: Secret | None, proxies: Mapping[str, str] | None) -> BackdropSink | None:
    if not url:
        return None
    base, _ = split_url(url)
    client = HttpClient(base, proxies=proxies, retries=RETRIES, timeout_seconds=TIMEOUT_SECONDS)
    try:
        return BackdropSink(url, token, client=client)
    except ValueError as error:
        raise ConfigError(Problem("backdrop_url", str(error))) from error
