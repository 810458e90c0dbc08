"""metrics-importer demo: the commands on made-up data, from vendors played on this machine to stores that are too."""

import argparse
import os
import shlex
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import ExitCode

if TYPE_CHECKING:
    from importer.cli.command import SubCommands

_DESCRIPTION = """\
Import made-up figures of three apps and of a shop's web logs and uptime, show a team's
incidents as Prometheus sees them, and take in a shop's events, with the real commands:
simulators play the vendors on this machine, the embedded store and simulated ones take
the points, and what came of it is shown, at last as a web page. Needs no configuration and
no network, and takes some seconds.

On a terminal the page stays until Ctrl-C; elsewhere it is asked once, and all is ended."""
_EXAMPLE = """\
  metrics-importer demo
  metrics-importer demo --keep /tmp/demo --no-serve"""


def add_command(commands: "SubCommands") -> None:
    """Add this command to metrics-importer."""
    parser = commands.add_parser(
        "demo", help="try all of it on made-up data", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new or empty directory, and keep it")
    serve = argparse.BooleanOptionalAction
    parser.add_argument("--serve", action=serve, help="let the web page stay until Ctrl-C (where a terminal is)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> ExitCode:
    """Run the demonstration; raises ImporterError for the first command that fails."""
    from importer.cli.metrics_importer.demo import apteligent as demo_apteligent
    from importer.cli.metrics_importer.demo import cton as demo_cton
    from importer.cli.metrics_importer.demo import dashboard as demo_dashboard
    from importer.cli.metrics_importer.demo import events as demo_events
    from importer.cli.metrics_importer.demo import leexport as demo_leexport
    from importer.cli.metrics_importer.demo import pp_collector as demo_pp
    from importer.cli.metrics_importer.demo.stage import MAX_COLUMNS, Stage, workplace

    os.environ["no_proxy"] = "127.0.0.1"  # all that is asked is on this machine, whatever proxy its user has
    with workplace(options.keep) as directory, ExitStack() as stack:
        families = (demo_apteligent, demo_leexport, demo_cton, demo_pp, demo_events)
        parts = [stack.enter_context(family.played(directory / "config")) for family in families]
        played = ", ".join(part.played for part in parts if part.played)
        print(textwrap.fill(f"Played on this machine: {played}.", width=MAX_COLUMNS, break_on_hyphens=False))
        print(f"All figures are made up. Configuration, outboxes and the store are in {directory}.\n")
        stage = Stage(directory)
        stage.check("configuration, vendors and stores")
        for part in parts:
            part.show(stage)
        stage.present("status")
        print()
        stays = demo_dashboard.is_watched() if options.serve is None else options.serve
        demo_dashboard.show(stage, stays=stays)
        print(_farewell(options.keep, stays=stays))
    return ExitCode.OK


def _farewell(kept: Path | None, *, stays: bool) -> str:
    if kept is not None:
        state = kept.absolute() / "state"
        store = shlex.quote(str(state / "metrics.db"))
        page = f"in a browser: metrics-importer dashboard --state {shlex.quote(str(state))}"
        return f"\nKept; to look around: metrics-importer show --path {store}\n{page}"
    page = "" if stays else "To look at the page: metrics-importer demo --serve\n"
    return f"\n{page}All of it was removed again; to keep it: metrics-importer demo --keep DIR"
