"""The oldest prometheus_client that we promise to work with, beside the installed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.debian import in_ci

ROOT = Path(__file__).parents[2]
VERSION = "0.16.0"
TARGET = ROOT / "build" / f"prometheus-client-{VERSION}"


@pytest.fixture(scope="session")
def oldest_client() -> Path:
    """A directory to put before all others in PYTHONPATH; the test is skipped where it cannot be downloaded."""
    if not (TARGET / "prometheus_client").is_dir():
        words = ["--quiet", "--disable-pip-version-check", "--no-input", "--target", str(TARGET)]
        command = [sys.executable, "-m", "pip", "install", *words, f"prometheus_client=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = f"prometheus_client {VERSION} cannot be downloaded: {done.stderr.strip()[-200:]}"
            pytest.fail(reason, pytrace=False) if in_ci() else pytest.skip(reason)
    return TARGET


def environment(client: Path) -> dict[str, str]:
    """Return the environment of a child process that is to import the client of a directory."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(client), str(ROOT)))}


def run_tests(client: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    """Run tests of ours with the client of a directory."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", "not oldest"]
    return subprocess.run(
        [*command, *paths], cwd=ROOT, env=environment(client), capture_output=True, text=True, check=False
    )
