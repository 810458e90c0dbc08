"""python -m benchmarks [NAME ...]: measure, print, and write build/benchmarks.json and docs/performance.md."""

import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence

from benchmarks.measure import ROOT, Figure

MODULES = ("livestats", "leexport", "start_up", "stats_service", "cton", "pp_collector", "graphite", "outbox")
"""In this order: a child's greatest memory is never told as less than that of the process it was forked from."""
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"


def main(names: Sequence[str]) -> None:
    """Run the named modules, or all of them; only a run of all of them rewrites the page."""
    figures: list[Figure] = []
    for name in names or MODULES:
        for figure in importlib.import_module(f"benchmarks.{name}").run():
            verdict = {None: "", True: "met", False: "NOT MET"}[figure.met]
            print(f"{figure.what:58} {figure.value:14,.2f} {figure.unit:16} {figure.target:14} {verdict}", flush=True)
            figures.append(figure)
    if names:
        return
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    content = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
    (build / "benchmarks.json").write_text(json.dumps(content, indent=2) + "\n")
    head, _, rest = PAGE.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(f"{head}{BEGIN}\n\n{machine}\n\n{table(figures)}\n{END}{tail}")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| what | figure | unit | asked for | |", "| --- | ---: | --- | --- | --- |"]
    for figure in figures:
        verdict = {None: "", True: "met", False: "**not met**"}[figure.met]
        digits = 0 if figure.value >= 1000 else 2
        rows.append(f"| {figure.what} | {figure.value:,.{digits}f} | {figure.unit} | {figure.target} | {verdict} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
