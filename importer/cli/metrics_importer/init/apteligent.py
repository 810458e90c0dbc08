"""First configurations of the Apteligent commands and of pingdom, which share graphite.json."""

from collections.abc import Sequence

from importer.cli.metrics_importer.init.answers import Question
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor, checked, checked_json

_PROJECT = "apteligent-importer"
_EMPTY_FILES = {
    "app_timezones.json": "{}\n",
    "app.blacklist": "# Apps that are not imported: an app id a line.\n",
    "services.whitelist": "# Hosts whose figures servicestats imports: one a line.\n",
    "carrier.map": "# Rules that group carriers, a section for each country: see docs/systems/apteligent.rst.\n",
}
"""What the commands need besides, and what an empty one of it looks like."""
_SUDO = "sudo -u metrics-importer {environment}"


def _apteligent(given: Given) -> Sequence[PlannedFile]:
    empty = [
        checked(_PROJECT, name, content, state=given.state, is_kept=True) for name, content in _EMPTY_FILES.items()
    ]
    return [checked_json(_PROJECT, "apteligent.json", given.values, state=given.state), *empty, *_graphite(given)]


def _pingdom(given: Given) -> Sequence[PlannedFile]:
    return [checked_json(_PROJECT, "pingdom.json", given.values, state=given.state), *_graphite(given)]


def _graphite(given: Given) -> Sequence[PlannedFile]:
    if given.store is None:
        return []
    return [checked_json(_PROJECT, "graphite.json", given.store, state=given.state)]


def _try_apteligent(_values: Content) -> Sequence[str]:
    return [
        f"{_SUDO}dailyjobs --once --dry-run",
        "sudo systemctl enable --now livestats.service dailyjobs.timer groupedby.timer servicestats.timer",
    ]


def _try_pingdom(_values: Content) -> Sequence[str]:
    return [f"{_SUDO}pingdom --once --dry-run", "sudo systemctl enable --now pingdom.timer"]


APTELIGENT = Vendor(
    "apteligent",
    _PROJECT,
    "crash analytics of mobile apps",
    (
        Question("hostname", "host of the API"),
        Question("username", "user name"),
        Question("password", "password", "secret"),
        Question("clientID", "OAuth client ID", "secret"),
        Question("metric_root", "first element of all names", default="apteligent"),
    ),
    _apteligent,
    _try_apteligent,
    main_file="apteligent.json",
    store_file="graphite.json",
)

PINGDOM = Vendor(
    "pingdom",
    _PROJECT,
    "response time and uptime of checks",
    (
        Question("token", "API token", "secret"),
        Question("hostname", "host of the API", default="api.pingdom.com"),
        Question("metric_root", "first element of all names", default="pingdom"),
    ),
    _pingdom,
    _try_pingdom,
    main_file="pingdom.json",
    store_file="graphite.json",
)
