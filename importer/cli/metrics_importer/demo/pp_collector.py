"""The part of `metrics-importer demo` that brings a check's uptime into a data set, and into the embedded store."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from importer.cli.metrics_importer.demo.stage import Part, Stage
from importer.cli.text_table import format_table
from importer.simulators.backdrop import BackdropSimulator, DataSet
from importer.simulators.pingdom import TOKEN, PingdomSimulator
from importer.stores import write_private

GROUP, TYPE = "shop", "monitoring"
SHOWN = 3

_FIELDS = ("check", "avgresponse", "uptime", "downtime")


@contextmanager
def played(config: Path) -> Iterator[Part]:
    """Play the vendor and the data set, and write the files of a collection into `config`."""
    token = secrets.token_hex(16)
    with PingdomSimulator(keep_requests=0) as pingdom, BackdropSimulator(keep_requests=0) as backdrop:
        data_set = backdrop.add_data_set(GROUP, TYPE, token=token)
        contents: Mapping[str, object] = {
            "query.json": {
                "entrypoint": "performanceplatform.collector.pingdom",
                "data-set": {"data-group": GROUP, "data-type": TYPE},
                "query": {"name": pingdom.checks[0].name},
            },
            "pingdom-credentials.json": {"token": TOKEN, "url": pingdom.url_3_1},
            "token.json": {"token": token},
            "performanceplatform.json": {
                "backdrop_url": backdrop.data_url,
                "destination": {"protocol": "sqlite"},
            },
        }
        for name, content in contents.items():
            write_private(config / name, json.dumps(content, indent=2) + "\n")
        yield Part("Pingdom, a Backdrop", partial(_show, data_set=data_set))


def _show(stage: Stage, *, data_set: DataSet) -> None:
    today = datetime.now(UTC).date()
    dates = ("-s", str(today - timedelta(days=1)), "-e", str(today))
    files = ("-q", "query.json", "-c", "pingdom-credentials.json", "-t", "token.json", "-b", "performanceplatform.json")
    words = [f"config/{word}" if word.endswith(".json") else word for word in files]
    print()
    stage.do(
        "yesterday's uptime, by hour",
        "pp-collector",
        *words,
        *dates,
        result=lambda _output: f"{len(data_set.records)} records",
        shown=("pp-collector", "-q", "config/query.json", "..."),
    )
    headers = ["TIME (UTC)", *map(str.upper, _FIELDS)]
    table = format_table(headers, map(_row, data_set.records[-SHOWN:]), right=headers[2:])
    print(f"\nThe last of them, as the data set has them:\n\n{table}", flush=True)


def _row(record: Mapping[str, object]) -> tuple[str, ...]:
    return (str(record["_timestamp"])[:16].replace("T", " "), *(str(record.get(field, "")) for field in _FIELDS))
