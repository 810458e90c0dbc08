"""The configuration files of the Apteligent commands and of pingdom, for `metrics-importer check`."""

import contextlib
import tempfile
from functools import partial
from pathlib import Path

from importer.cli.metrics_importer.projects import Checked, ConfigFile, DropIns, probes_of
from importer.config import ObjectReader
from importer.destinations import DIRECTORY, FILE, SUFFIX, load_all_destinations, load_destinations
from importer.errors import Problem
from importer.group_map import load_group_map
from importer.http_client import HttpClient, RetryPolicy
from importer.sources.apteligent.api import ApteligentApi, rate_limit_reset
from importer.sources.apteligent.config import Account, load_account, load_app_zones
from importer.sources.pingdom.api import PingdomApi
from importer.sources.pingdom.config import NO_TOKEN, Access, read_settings
from importer.stores import json_or_none, load_entries, load_json

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


def _all_destinations(path: Path, state: Path) -> Checked:
    return Checked(probes=probes_of(load_all_destinations(path.parent, state=state)))


def _describes_destinations(text: str) -> bool:
    """Whether a text is an object that names a protocol, or a list of them."""
    content = json_or_none(text)
    described = content if isinstance(content, list) else [content]
    return bool(described) and all(isinstance(each, dict) and "protocol" in each for each in described)


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
    """Only a token lets the command run; old files without one are no mistake."""
    settings = read_settings(ObjectReader(path, load_json(path)))
    if settings.access.token is not None:
        return Checked(probes=(partial(_list_checks, settings.access),))
    return Checked((Problem(path, NO_TOKEN, key="token"),))


def _list_checks(access: Access) -> str:
    with contextlib.closing(PingdomApi(access, retries=_IMPATIENT)) as api:
        return api.check()


_ALL = ("dailyjobs", "livestats", "groupedby", "servicestats")

_DROP_INS = DropIns(DIRECTORY, SUFFIX, _destinations, _all_destinations, _describes_destinations)

FILES = (
    ConfigFile("apteligent.json", _account, _ALL),
    ConfigFile(FILE, _destinations, (*_ALL, "pingdom"), drop_ins=_DROP_INS),
    ConfigFile("app_timezones.json", _app_zones, ("dailyjobs", "groupedby")),
    ConfigFile("carrier.map", _group_map, ("groupedby",)),
    ConfigFile("app.blacklist", _entries, _ALL),
    ConfigFile("services.whitelist", _entries, ("servicestats",)),
    ConfigFile("pingdom.json", _pingdom, ("pingdom",)),
)
"""In the order in which they are checked."""
