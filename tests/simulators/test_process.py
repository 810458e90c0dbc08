"""A simulator as a process of its own."""

import signal
import subprocess
import sys

import pytest
import requests

from tests.simulators.http_clients import TIMEOUT_SECONDS


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_tells_its_url_and_stops_at_a_signal(stop_signal: signal.Signals) -> None:
    command = [sys.executable, "-m", "importer.simulators.apteligent", "--port", "0", "--apps", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(url + "/allyourbase", timeout=TIMEOUT_SECONDS).ok
        process.send_signal(stop_signal)
        assert process.wait(TIMEOUT_SECONDS) == 0
