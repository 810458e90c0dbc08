"""The configuration files of pp-collector, for `metrics-importer check`."""

from pathlib import Path
from typing import Any

from importer.cli.metrics_importer.projects import Checked, ConfigFile, probes_of
from importer.collector.arguments import NAME
from importer.collector.content import PATH_KEY
from importer.config import ObjectReader
from importer.errors import ConfigError, Problem
from importer.stores import json_or_none, load_json

_GOOGLE = ("SERVICE_ACCOUNT", "ACCOUNT_NAME", "CLIENT_SECRETS")
_PIWIK = ("token_auth", "token_auth_file")
_WEBTRENDS = ("reports_url", "keymetrics_url")
_PINGDOM = ("user", "app_key", "app_key_file", "account_email")
"""Not in pingdom.json of the Apteligent commands, where these have other names; what holds a token alone is right in
both."""

_ANY = {"data-group": "any", "data-type": "any"}


def _query(path: Path, state: Path) -> Checked:
    from importer.collector.run import Query  # on use: what it imports need not be waited for

    Query.from_content(_content(path))
    return Checked()


def _platform(path: Path, state: Path) -> Checked:
    from importer.collector.platform import read_platform  # on use, as above

    platform = read_platform(_content(path), {"token": "unknown"}, _ANY, state=state)
    return Checked(probes=probes_of(platform.stores))


def _credentials(path: Path, state: Path) -> Checked:
    """Check what a vendor wants to know; the keys tell which vendor it is for."""
    from importer.sources.google.account import load_account  # on use, as above
    from importer.sources.pingdom.config import read_access as read_pingdom
    from importer.sources.piwik.api import read_access as read_piwik
    from importer.sources.webtrends.api import read_access as read_webtrends

    content = _content(path)
    keys = ObjectReader(path, content)
    webtrends = [key for key in _WEBTRENDS if key in content]
    if content.keys() & set(_GOOGLE):
        load_account(keys)
    elif content.keys() & set(_PIWIK):
        read_piwik(keys)
    elif webtrends:
        for key in webtrends:
            read_webtrends(keys, url_key=key)
    elif content.keys() > {PATH_KEY}:  # G-Cloud wants to know nothing
        read_pingdom(keys)
    return Checked()


def _content(path: Path) -> dict[str, Any]:
    content = load_json(path)
    if not isinstance(content, dict):
        raise ConfigError(Problem(path, "is not an object"))
    return {**content, PATH_KEY: str(path)}


def _has(*keys: str) -> Any:
    """Return a function that tells whether a text is an object with one of these keys."""

    def is_ours(text: str) -> bool:
        content = json_or_none(text)
        return isinstance(content, dict) and any(key in content for key in keys)

    return is_ours


FILES = (
    ConfigFile("performanceplatform.json", _platform, (NAME,), _has("backdrop_url", "destination")),
    ConfigFile("query.json", _query, (), _has("entrypoint")),
    ConfigFile("credentials.json", _credentials, (), _has(*_GOOGLE, *_PIWIK, *_WEBTRENDS, *_PINGDOM)),
)
