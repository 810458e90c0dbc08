"""How to log in at Pingdom: the credentials of pp-collector, and pingdom.json of the Apteligent suite."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from importer.collector.content import address
from importer.config import ObjectReader
from importer.credentials import Secret
from importer.http_client import base_url
from importer.proxies import read_proxies
from importer.stores import load_json

URL_3_1 = "https://api.pingdom.com/api/3.1/"
URL_2_0 = "https://api.pingdom.com/api/2.0/"
HOST = "api.pingdom.com"
METRIC_ROOT = "pingdom"
NO_TOKEN = "is missing; API 3.1 wants one, and pingdom cannot run without it"  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class Access:
    """An API and how to log in there: with a token (3.1), or with a user, a password and an application's key."""

    url: str
    """With a slash at the end."""
    token: Secret | None = None
    user: str = ""
    password: Secret | None = None
    app_key: Secret | None = None
    account_email: str | None = None
    """Whose checks they are, where the user works on another account."""
    proxies: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What pingdom.json says."""

    access: Access
    metric_root: str


def read_access(keys: ObjectReader) -> Access:
    """Return what a credentials file of pp-collector says; raises ConfigError with every mistake in it."""
    token = keys.secret("token", None)
    url = address(keys, "url", URL_2_0 if token is None else URL_3_1)
    proxies = read_proxies(keys)
    access = Access(_with_slash(url), token=token, proxies=proxies)
    if token is None:
        access = Access(
            _with_slash(url),
            user=keys.text("user"),
            password=keys.secret("password"),
            app_key=keys.secret("app_key"),
            account_email=keys.text("account_email", None),
            proxies=proxies,
        )
    keys.finish(refuse_unknown=False)
    return access


def load_settings(path: Path) -> Settings:
    """Read pingdom.json; raises ConfigError with every mistake in it, and where there is no token."""
    keys = ObjectReader(path, load_json(path))
    settings = read_settings(keys)
    if settings.access.token is None:
        keys.problem("token", NO_TOKEN)
    keys.finish()
    return settings


def read_settings(keys: ObjectReader) -> Settings:
    """Return what pingdom.json says, with a token or without one; raises ConfigError with every mistake in it.

    The keys of API 2.0 are taken without complaint, for old files.
    """
    token = keys.secret("token", None)
    keys.text("username", None)
    for key in ("password", "appkey"):
        keys.secret(key, None)
    settings = Settings(
        Access(_api_url(keys), token=token, proxies=read_proxies(keys)), keys.text("metric_root", METRIC_ROOT)
    )
    keys.finish()
    return settings


def _api_url(keys: ObjectReader) -> str:
    """Return where the API lies: `hostname` is a bare host, or a whole address with the path to the API."""
    hostname = keys.text("hostname", HOST)
    try:
        base = base_url(hostname)
    except ValueError as error:
        keys.problem("hostname", str(error))
        return URL_3_1
    return f"{base}/" if base.count("/") > 2 else f"{base}/api/3.1/"


def _with_slash(url: str) -> str:
    return f"{url.rstrip('/')}/"
