"""Which Debian package brings which server, and what a test does where one is missing."""

import os
import shutil

PROGRAMS = {
    "carbon-cache": "graphite-carbon",
    "carbon-c-relay": "carbon-c-relay",
    "victoria-metrics": "victoria-metrics",
    "influxd": "influxdb",
    "prometheus": "prometheus",
    "prometheus-pushgateway": "prometheus-pushgateway",
    "nats-server": "nats-server",
    "chromium-headless-shell": "chromium-headless-shell",
    "systemd-analyze": "systemd",
    "logrotate": "logrotate",
    "puppet": "puppet-agent",
}
"""Program, as named in `pytest.mark.server(...)` -> package; the systemd unit has the program's name."""


def find_program(program: str) -> str | None:
    """Return where a program is, None if it is not here; users' PATH need not have what is for root."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def in_ci() -> bool:
    """Return whether this is continuous integration, where no test may be skipped for want of a server."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def missing_programs() -> list[str]:
    """Return the programs of PROGRAMS that are not here."""
    return [program for program in PROGRAMS if find_program(program) is None]


def why_missing(program: str) -> str:
    """Return why a test cannot have this server, empty if it can. Raises KeyError for a server of no package."""
    package = PROGRAMS[program]
    if find_program(program) is not None:
        return ""
    return f"{program} is not installed (apt-get install {package})"
