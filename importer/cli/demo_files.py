"""The configuration of `metrics-importer demo`: as a user would write it for the simulator's apps."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, App
from importer.stores import write_private

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


def write_files(directory: Path, *, vendor_url: str, apps: Iterable[App]) -> None:
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
        "proxies": {},  # the vendor is on this machine, whatever proxy its user has
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


def last_finished_day(apps: Iterable[App], now: float) -> date:
    """Return the newest day that is over in the zones of all apps; `now` is in seconds since 1970 UTC."""
    today = datetime.fromtimestamp(now, UTC)
    return min((today + timedelta(hours=app.offset_hours)).date() for app in apps) - timedelta(days=1)


def _json(value: object) -> str:
    return json.dumps(value, indent=4) + "\n"
