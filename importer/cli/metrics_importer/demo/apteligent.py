"""The part of `metrics-importer demo` that imports crash analytics of apps into the embedded store."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from importer.cli.metrics_importer.demo.stage import Part, Stage
from importer.cli.text_table import count_of
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, App, ApteligentSimulator
from importer.stores import write_private

BACK_FILL_DAYS = 14

_CARRIER_MAP = """\
# The first rule that is found in a carrier's name gives its group.
[US]
(?i)verizon         Verizon
(?i)t-?mobile       T-Mobile
(?i)at&?t           AT_T
(?i)sprint          Sprint
(?i)wifi            Wifi
.*                  Other
[NL]
(?i)kpn             KPN
(?i)vodafone        Vodafone
(?i)t-?mobile       T-Mobile
.*                  Other
"""
_UNWANTED_HOST = "hotspot.hotel.example"
"""Left out of the whitelist: what a hotel's network puts into an app's figures."""


@contextmanager
def played(config: Path, *, clock: Callable[[], float] = time.time) -> Iterator[Part]:
    """Play the vendor, and write the files of its commands into `config`."""
    with ApteligentSimulator(keep_requests=0) as vendor:
        apps = list(vendor.apps.values())
        _write_files(config, vendor_url=vendor.url, apps=apps)
        last_day = _last_finished_day(apps, clock())
        yield Part(f"Apteligent with {count_of(len(apps), 'app')}", partial(_show, last_day=last_day))


def _show(stage: Stage, *, last_day: date) -> None:
    first_day = last_day - timedelta(days=BACK_FILL_DAYS - 1)
    stage.do_import("yesterday of each app", "dailyjobs", "--once")
    stage.do_import("two weeks of history", "dailyjobs", "--from", f"{first_day}", "--to", f"{last_day}")
    stage.do_import("the last five minutes", "livestats", "--once")
    stage.do_import("today, by version and by carrier", "groupedby", "--once")
    stage.do_import("web services that the apps call", "servicestats", "--once")
    stage.present("show", "*.Bike_Shop.daily.dau", "--plot")
    stage.present("show", "*.Bike_Shop.live.appLoads", "--plot")


def _write_files(directory: Path, *, vendor_url: str, apps: Iterable[App]) -> None:
    """Write the six files of the Apteligent commands for these apps, delivered to the embedded store."""
    known = list(apps)
    zones = {app.app_id: [app.name, app.offset_hours, *([app.country] if app.country else [])] for app in known}
    hosts = sorted({host for app in known for host in app.hosts} - {_UNWANTED_HOST})
    account = {
        "hostname": vendor_url,
        "username": USERNAME,
        "password": PASSWORD,
        "clientID": CLIENT_ID,
        "metric_root": "apteligent",
    }
    files = {
        "apteligent.json": _json(account),
        "graphite.json": _json({"protocol": "sqlite"}),
        "app_timezones.json": _json(zones),
        "carrier.map": _CARRIER_MAP,
        "app.blacklist": "# No app is left out.\n",
        "services.whitelist": "".join(f"{host}\n" for host in hosts),
    }
    for name, text in files.items():
        write_private(directory / name, text)


def _last_finished_day(apps: Iterable[App], now: float) -> date:
    """Return the newest day that is over in the zones of all apps; `now` is in seconds since 1970 UTC."""
    today = datetime.fromtimestamp(now, UTC)
    return min((today + timedelta(hours=app.offset_hours)).date() for app in apps) - timedelta(days=1)


def _json(value: object) -> str:
    return json.dumps(value, indent=4) + "\n"
