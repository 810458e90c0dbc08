"""cton: a service of configuration alone."""

import re
import time
from pathlib import Path

from importer.points import Point
from tests.end_to_end.matrix.run import OpenStores, Run, commands_in, with_log
from tests.exporter.site import Site as CtonSite
from tests.exporter.site import answer as cton_answer
from tests.http_servers import book_server

STOCK = {"depth": 31, "items": [{"team": "blue", "count": 2.5}, {"team": "red & co", "count": 7}]}


def run_cton(home: Path, open_stores: OpenStores) -> Run:
    """Poll a service of configuration alone."""
    commands = commands_in(home)
    errors = home / "cton.stderr"
    stores = with_log(open_stores(commands.state_dir), "cton", home, errors.read_text)
    metrics = [
        {"name": "cton_depth", "path": "$.depth"},
        {"name": "cton_stock", "path": "$.items[*]", "labels": {"team": "{.team}"}, "value": "{.count}"},
    ]
    with book_server(cton_answer(STOCK)) as vendor:
        site = CtonSite(commands, vendor)
        site.top["destinations"] = [store.description() for store in stores.values()]
        site.plain(metrics=metrics)
        began = int(time.time())
        result = site.once("--all")
        ended = time.time()
    errors.write_text(result.stderr)
    points = [
        Point(("cton_depth",), 31, began, (("service", "stock"),)),
        Point(("cton_stock",), 2.5, began, (("service", "stock"), ("team", "blue"))),
        Point(("cton_stock",), 7, began, (("service", "stock"), ("team", "red & co"))),
    ]
    pattern = re.compile(r"cton_(depth|stock)")
    return Run(result, commands.state_dir, "cton", stores, pattern, lambda _store: points, at=(began, ended))
