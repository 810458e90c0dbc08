"""The Apteligent commands' own configuration files: apteligent.json and app_timezones.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import ConfigError, Problem
from importer.http_client import base_url
from importer.proxies import read_proxies
from importer.stores import load_json

OLD_HOSTS = ("developers.crittercism.com", "developers.eu.crittercism.com")
"""The vendor's own v1.0 hosts (US, EU), switched off since the product was merged into another."""


@dataclass(frozen=True, slots=True)
class Account:
    """How to log in at the vendor, and the first segment of every name."""

    url: str
    """Base URL without a trailing slash."""
    username: str
    password: Secret
    client_id: Secret
    metric_root: str
    proxies: Mapping[str, str] | None = field(default=None)
    """Scheme -> proxy URL, as the requests library takes it."""


@dataclass(frozen=True, slots=True)
class AppZone:
    """An app's line in app_timezones.json."""

    name: str
    """A comment: metric names use the vendor's own."""
    offset: timedelta
    """What its local time is ahead of UTC."""
    country: str | None
    """The section of carrier.map that its carriers are grouped by; None leaves carriers out."""


def load_account(path: Path) -> Account:
    """Read apteligent.json; raises ConfigError with every mistake in it."""
    keys = ObjectReader(path, load_json(path))
    account = Account(
        url=_url(keys),
        username=keys.text("username"),
        password=keys.secret("password"),
        client_id=keys.secret("clientID"),
        metric_root=keys.text("metric_root"),
        proxies=read_proxies(keys),
    )
    keys.finish()
    return account


def _url(keys: ObjectReader) -> str:
    hostname = keys.text("hostname")
    try:
        return base_url(hostname) if hostname else ""
    except ValueError as error:
        keys.problem("hostname", str(error))
        return ""


def load_app_zones(path: Path) -> dict[str, AppZone]:
    """Read app_timezones.json: app id -> zone; raises ConfigError with every mistake in it."""
    content = load_json(path)
    if not isinstance(content, dict):
        raise ConfigError(Problem(path, 'must be an object such as {"APP ID": ["Bike Shop", -8, "US"]}'))
    zones: dict[str, AppZone] = {}
    problems = []
    for app_id, entry in content.items():
        try:
            zones[app_id] = _zone(entry)
        except ValueError as error:
            problems.append(Problem(path, str(error), key=app_id))
    if problems:
        raise ConfigError(problems)
    return zones


def _zone(entry: object) -> AppZone:
    if not isinstance(entry, list) or len(entry) not in (2, 3):
        raise ValueError('must be [name, hours ahead of GMT, country], such as ["Bike Shop", -8, "US"]')
    name, offset, country = [*entry, None][:3]
    if not isinstance(name, str):
        raise ValueError("the name (first) must be text")
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not -24 < offset < 24:
        raise ValueError("the GMT offset (second) must be a number of hours between -24 and 24, such as -8 or 5.5")
    if country is not None and not isinstance(country, str):
        raise ValueError("the country (third) must be text, such as US")
    return AppZone(name, timedelta(hours=offset), country or None)
