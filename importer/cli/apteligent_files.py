"""The configuration files of the Apteligent commands and of pingdom, for `metrics-importer check`."""

import contextlib
import tempfile
from functools import partial
from pathlib import Path

from importer.cli.projects import Checked, ConfigFile, probes_of
from importer.config import ObjectReader
from importer.destinations import load_destinations
from importer.errors import Problem
from importer.group_map import load_group_map
from importer.http_client import HttpClient, RetryPolicy, base_url
from importer.sources.apteligent.api import ApteligentApi, rate_limit_reset
from importer.sources.apteligent.config import Account, load_account, load_app_zones
from importer.stores import load_entries, load_json

_IMPATIENT = RetryPolicy(extra_attempts=0, max_wait_seconds=0.0)
"""Somebody waits for the answer."""


def _account(path: Path, state: Path) -> Checked:
    return Checked(probes=(partial(_log_in, load_account(path)),))


def _log_in(account: Account) -> str:
    """Log in at the vendor, not with a token that another command has cached."""
    client = HttpClient(account.url, proxies=account.proxies, retries=_IMPATIENT, retry_after=rate_limit_reset)
    with contextlib.closing(client), tempfile.TemporaryDirectory() as cache:
        return ApteligentApi(account, client, cache=Path(cache)).check()


def _destinations(path: Path, state: Path) -> Checked:
    return Checked(probes=probes_of(load_destinations(path, state=state)))


def _app_zones(path: Path, state: Path) -> Checked:
    load_app_zones(path)
    return Checked()


def _group_map(path: Path, state: Path) -> Checked:
    load_group_map(path)
    return Checked()


def _entries(path: Path, state: Path) -> Checked:
    load_entries(path)
    return Checked()


def _pingdom(path: Path, state: Path) -> Checked:
    """The keys of API 2.0 are taken without complaint, for old files; only a token lets the command run."""
    keys = ObjectReader(path, load_json(path))
    token = keys.secret("token", None)
    hostname = keys.text("hostname", "api.pingdom.com")
    keys.text("metric_root", "pingdom")
    keys.text("username", None)
    for key in ("password", "appkey"):
        keys.secret(key, None)
    try:
        base_url(hostname)
    except ValueError as error:
        keys.problem("hostname", str(error))
    keys.finish()
    if token is not None:
        return Checked()
    return Checked((Problem(path, "is missing; API 3.1 wants one, and pingdom cannot run without it", key="token"),))


_ALL = ("dailyjobs", "livestats", "groupedby", "servicestats")

FILES = (
    ConfigFile("apteligent.json", _account, _ALL),
    ConfigFile("graphite.json", _destinations, _ALL),
    ConfigFile("app_timezones.json", _app_zones, ("dailyjobs", "groupedby")),
    ConfigFile("carrier.map", _group_map, ("groupedby",)),
    ConfigFile("app.blacklist", _entries, _ALL),
    ConfigFile("services.whitelist", _entries, ("servicestats",)),
    ConfigFile("pingdom.json", _pingdom),
)
"""In the order in which they are checked."""
