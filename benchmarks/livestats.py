"""livestats over 2,000 apps of a vendor that takes 50 ms to answer, into a receiver that discards."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import requests

from benchmarks.measure import ROOT, Figure, at_most, measured, run_measured, started
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME

APPS = 2_000
LATENCY_SECONDS = 0.05
THREADS = 64
CYCLES = 100


def run() -> Iterator[Figure]:
    """Measure one cycle's time and memory, and the memory of a process that makes a hundred."""
    latency_bound = APPS * LATENCY_SECONDS / THREADS
    apps = ("--apps", str(APPS), "--latency", str(LATENCY_SECONDS))
    with (
        started("importer.simulators.apteligent", "--port", "0", *apps) as url,
        started("benchmarks.discard") as port,
        tempfile.TemporaryDirectory() as folder,
    ):
        environment = write_configuration(Path(folder), url, {"host": "127.0.0.1", "port": int(port)})
        peer = _peer_cpu_seconds(url)
        command = (sys.executable, str(ROOT / "bin" / "livestats"), "--once", "-q", "--threads", str(THREADS))
        run_measured(*command, environment=environment)  # fills the caches of token and apps
        _forget_marks(Path(folder))
        took, memory = run_measured(*command, environment=environment)
        _forget_marks(Path(folder))
        grown = list(_growth(environment))
    bound = max(latency_bound, peer)
    yield Figure("livestats, 2,000 apps: bound by latency", latency_bound, "s")
    yield Figure("livestats, 2,000 apps: bound by requests' CPU time", peer, "s")
    yield Figure("livestats, 2,000 apps: one cycle, start-up included", took.wall, "s")
    yield Figure("livestats, 2,000 apps: CPU of it", took.cpu, "s")
    yield at_most("livestats, 2,000 apps: beside the larger bound", took.wall / bound, "times", 1.3)
    yield at_most("livestats, 2,000 apps: peak memory", memory, "MiB", 120)
    yield from grown


def write_configuration(folder: Path, url: str, destination: dict[str, object]) -> dict[str, str]:
    """Write a configuration, and return the environment that makes a command use it."""
    environment = dict(os.environ)
    for kind in ("config", "cache", "log", "state"):
        (folder / kind).mkdir()
        environment[f"{kind.upper()}_DIR"] = str(folder / kind)
    account = {"hostname": url, "username": USERNAME, "password": PASSWORD, "clientID": CLIENT_ID}
    files = {
        "apteligent.json": json.dumps({**account, "metric_root": "apteligent"}),
        "graphite.json": json.dumps(destination),
        "app.blacklist": "",
    }
    for name, text in files.items():
        (folder / "config" / name).write_text(text)
    return environment


def _forget_marks(folder: Path) -> None:
    """Let the next cycle import all buckets again."""
    for file in (folder / "state").iterdir():
        file.unlink()


def _peer_cpu_seconds(url: str) -> float:
    """Return the CPU time of as many bare requests, a Session a thread: what this library costs at the least."""
    token = requests.post(
        f"{url}/v1.0/token",
        data={"grant_type": "password", "username": USERNAME, "password": PASSWORD},
        auth=(CLIENT_ID, ""),
        timeout=30,
    ).json()["access_token"]
    ids = list(requests.get(f"{url}/v1.0/apps", headers={"Authorization": f"Bearer {token}"}, timeout=30).json())
    shares = [ids[start::THREADS] for start in range(THREADS)]

    def ask(share: list[str]) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            for app_id in share:
                path = f"{url}/v1.0/liveStats/periodic/{app_id}"
                session.post(path, params={"app_version": "total", "initialize": "1"}, timeout=30).json()

    threads = [threading.Thread(target=ask, args=(share,)) for share in shares]
    with measured() as took:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return took.cpu


def _growth(environment: dict[str, str]) -> Iterator[Figure]:
    """Return figures of the memory of one process over many cycles."""
    command = (sys.executable, "-m", "benchmarks.cycles", str(CYCLES))
    output = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    early, late = (float(word) for word in output.split())
    yield Figure("livestats, 2,000 apps: memory after 10 cycles", early, "MiB")
    yield at_most(f"livestats, 2,000 apps: growth from cycle 10 to {CYCLES}", late - early, "MiB", 4)
