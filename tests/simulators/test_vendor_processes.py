"""The simulators of pp-collector's vendors run as processes of their own."""

import subprocess
import sys

import pytest
import requests

from tests.commands import ROOT
from tests.servers.process import die_with_parent
from tests.simulators.http_clients import TIMEOUT_SECONDS


@pytest.mark.parametrize("name", ["pingdom", "piwik", "webtrends", "gcloud"])
def test_a_simulator_says_where_it_is_and_ends_when_it_is_told(name: str) -> None:
    command = die_with_parent([sys.executable, "-m", f"importer.simulators.{name}"])
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        status = requests.get(url, timeout=TIMEOUT_SECONDS).status_code
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert status in {200, 404, 405}
