"""pingdom: the last test of each check, and the hours that it asked for."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from importer.points import Point
from importer.simulators.pingdom import TOKEN, PingdomSimulator, SimulatedCheck, hour_of
from tests.end_to_end.matrix.run import OpenStores, Run, commands_in, with_log


def run_pingdom(home: Path, open_stores: OpenStores) -> Run:
    """Make one cycle: the last test of each check, and a day of hours."""
    commands = commands_in(home)
    tested = int((datetime.now(UTC) - timedelta(minutes=1)).timestamp())
    checks = [SimulatedCheck(101, "Bike Shop", tested_at=tested), SimulatedCheck(102, "api.shop", "down", 9, tested)]
    log = commands.log_dir / "pingdom.log"
    stores = with_log(open_stores(commands.state_dir), "pingdom", home, log.read_text)
    with PingdomSimulator(checks=checks) as vendor:
        account = {"hostname": f"{vendor.url}/api/3.1", "token": TOKEN}
        (commands.config_dir / "pingdom.json").write_text(json.dumps(account))
        destinations = [store.description() for store in stores.values()]
        (commands.config_dir / "graphite.json").write_text(json.dumps(destinations))
        result = commands.run("pingdom", "--once")
        (asked, *_) = vendor.requests_to("*/summary.performance/*")
    hours = range(int(asked.query["from"]), int(asked.query["to"]), 3600)
    points = [point for check in checks for point in (*_test_of(check), *_hours_of(check, hours))]
    return Run(result, commands.state_dir, "pingdom", stores, re.compile(r"pingdom[._]"), lambda _store: points)


def _test_of(check: SimulatedCheck) -> list[Point]:
    return [
        Point(("pingdom", check.name, "response_time"), check.response_ms, check.tested_at),
        Point(("pingdom", check.name, "up"), int(check.status == "up"), check.tested_at),
    ]


def _hours_of(check: SimulatedCheck, hours: range) -> list[Point]:
    places = {"uptime": ("uptime",), "downtime": ("downtime",), "avgresponse": ("hourly", "response_time")}
    return [
        Point(("pingdom", check.name, *place), hour_of(check.id, hour)[figure], hour)
        for hour in hours
        for figure, place in places.items()
    ]
