"""The end of `metrics-importer demo`: all of it as a web page, for as long as somebody looks."""

import sys
from typing import Any

import requests

from importer.cli.metrics_importer.demo.stage import Stage
from importer.errors import ImporterError, one_line
from importer.service import Signals

IMPORT_SECONDS = 10.0
"""How often the page gets something new to show."""
TIMEOUT_SECONDS = 20
_COMMAND = ("dashboard", "--port", "0")


def is_watched() -> bool:
    """Return whether a person is there, who can end what goes on."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def show(stage: Stage, *, stays: bool) -> None:
    """Serve the dashboard and tell what it shows; with `stays` until SIGINT or SIGTERM. Raises ImporterError."""
    with Signals() as signals, stage.serving("metrics-importer", *_COMMAND, what="all of it as a web page") as address:
        print(f"\n{address}/ says: {_summary(address)}", flush=True)
        if not stays:
            return
        print(f"Open {address}/ in a browser on this machine. livestats goes on importing; Ctrl-C ends it.", flush=True)
        while not signals.stop.wait(IMPORT_SECONDS):
            try:
                stage.repeat("livestats", "--once")
            except ImporterError:
                if not signals.stop.is_set():  # else it was told to stop as we were
                    raise


def _summary(address: str) -> str:
    """Return what the page says at a glance, once it has been asked as a browser does."""
    page = _get(f"{address}/").text
    status, series = _get(f"{address}/api/status").json(), _get(f"{address}/api/series").json()
    if "<title>metrics-importer</title>" not in page:
        raise ImporterError(f"demo: {address}/ is not the dashboard")
    return f"{_commands(status)}; {series['total']} names to draw."


def _commands(status: Any) -> str:
    return f"{status['headline']}. {len(status['commands'])} commands"


def _get(url: str) -> requests.Response:
    try:
        response = requests.get(url, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
    except requests.RequestException as error:
        raise ImporterError(f"demo: dashboard: {one_line(error)}") from error
    return response
