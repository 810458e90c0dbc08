"""pp-collector: records of hours, whole or as points."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from importer.points import Labels, Point
from importer.simulators.pingdom import TOKEN, PingdomSimulator, hour_of
from tests.end_to_end.matrix.run import OpenStores, Run, commands_in, with_log

HOURS = range(1777593600, 1777593600 + 48 * 3600, 3600)
"""2026-05-01 and the day after it."""


def run_pp_collector(home: Path, open_stores: OpenStores, *, again: bool = False) -> Run:
    """Collect two days of a check's hours; `again` does it twice."""
    commands = commands_in(home)
    group = "again-tax-disc" if again else "tax-disc"
    log = commands.log_dir / "production.log"
    stores = with_log(open_stores(commands.state_dir), "pp-collector", home, log.read_text)
    with PingdomSimulator() as vendor:
        files = {
            "-q": {
                "entrypoint": "performanceplatform.collector.pingdom",
                "data-set": {"data-group": group, "data-type": "monitoring"},
                "query": {"name": "govuk"},
                "options": {},
            },
            "-c": {"token": TOKEN, "url": vendor.url_3_1},
            "-t": {},
            "-b": {"destination": [store.description() for store in stores.values()]},
        }
        arguments: list[str | Path] = []
        for option, content in files.items():
            path = commands.home / f"file{option}.json"
            path.write_text(json.dumps(content))
            arguments += [option, path]
        dates = ("-s", "2026-05-01", "-e", "2026-05-03")
        result = commands.run("pp-collector", *arguments, *dates)
        if again:
            assert result.code == 0, result
            result = commands.run("pp-collector", *arguments, *dates)
    return Run(
        result,
        commands.state_dir,
        "pp-collector",
        stores,
        re.compile(rf"{group.replace('-', '[-_]')}[._]"),
        lambda store: _record_points(group, has_labels=store.has_labels),
        records=[_record(hour) for hour in HOURS],
        times=2 if again else 1,
    )


def _record(hour: int) -> dict[str, object]:
    told = hour_of(101, hour)
    moment = datetime.fromtimestamp(told.pop("starttime"), UTC).isoformat()
    return {"_id": f"govuk.{moment}", "_timestamp": moment, "check": "govuk", **told}


def _record_points(group: str, *, has_labels: bool) -> list[Point]:
    labels: Labels = (("check", "govuk"),) if has_labels else ()
    place = (group, "monitoring") if has_labels else (group, "monitoring", "govuk")
    figures = ("avgresponse", "uptime", "downtime", "unmonitored")
    return [Point((*place, figure), hour_of(101, hour)[figure], hour, labels) for hour in HOURS for figure in figures]
