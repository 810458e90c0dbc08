"""What units run does what systemd expects of it: messages, reload, stop, and files in the unit's directories."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from importer.simulators.apteligent import ApteligentSimulator, demo_apps
from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.influxdb import InfluxdbSimulator
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from importer.simulators.pingdom import TOKEN as PINGDOM_TOKEN
from importer.simulators.pingdom import PingdomSimulator
from importer.simulators.stagecraft import TOKEN as STAGECRAFT_TOKEN
from importer.simulators.stagecraft import StagecraftSimulator
from tests.apteligent import ZONES, account_keys
from tests.commands import ROOT
from tests.servers.kafka import MockKafka
from tests.servers.process import free_port
from tests.systemd.machine import Machine
from tests.systemd.unit_files import load_unit

APTELIGENT = ("dailyjobs", "groupedby", "servicestats")
EXAMPLES = ROOT / "etc"
SLUG = "tax-disc-monitoring"
STOP_SECONDS = 10
"""TimeoutStopSec= of every unit."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def events(machine: Machine) -> Path:
    """The shipped configuration of stats-service, on a free port; its users have no token yet."""
    folder = machine.etc("stats-service")
    shipped = (EXAMPLES / "stats-service/stats-service.ini").read_text()
    assert "port = 20080" in shipped
    config = folder / "stats-service.ini"
    config.write_text(shipped.replace("port = 20080", f"port = {free_port('127.0.0.1')}"))
    (folder / "access.json").write_text(json.dumps([{"id": "user_1", "username": "ali", "name": "Ali", "tokens": []}]))
    return config


def write(folder: Path, **contents: object) -> None:
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


@contextmanager
def crash_analytics(machine: Machine) -> Iterator[None]:
    folder = machine.etc("apteligent-importer")
    with ApteligentSimulator(demo_apps()) as vendor:
        write(folder, apteligent=account_keys(vendor.url), graphite={"protocol": "sqlite"}, app_timezones=ZONES)
        for name in ("app.blacklist", "services.whitelist", "carrier.map"):
            (folder / name).write_text((EXAMPLES / "apteligent-importer" / name).read_text())
        yield


@contextmanager
def searches(machine: Machine) -> Iterator[None]:
    with LogSearchSimulator() as api:
        (machine.etc("leexportpy") / "config.ini").write_text(
            f"[LE]\nrw_api_key = {API_KEY}\nurl = {api.base_url}\n[Searches]\n[[Requests]]\n[[[query]]]\nlogs = {LOG}\n"
            "query_period = 3600\nquery_range = 600\nstatement = where(status>=200) calculate(count)\n"
            "[[[destination]]]\nservice = sqlite\nmetric_name = requests\n"
        )
        yield


@contextmanager
def apis(machine: Machine) -> Iterator[None]:
    api = {"api_url": f"http://127.0.0.1:{free_port('127.0.0.1')}", "metrics": [{"name": "stock", "path": "$.stock"}]}
    services = {"shop-1": {**api, "port": free_port("127.0.0.1")}, "shop-2": {**api, "port": free_port("127.0.0.1")}}
    write(machine.etc("collectington"), config={"api_call_intervals": 60, "services": services})
    yield


RELOADED: Mapping[str, Callable[[Machine], AbstractContextManager[None]]] = {
    "livestats.service": crash_analytics,
    "leexportpy.service": searches,
    "cton.service": apis,
    "cton@.service": apis,
}
"""Services, and what each needs on the machine."""


def tell_life(machine: Machine, name: str) -> None:
    """See a service start, beat, read its configuration again where its unit says how, and end."""
    unit = load_unit(name)
    with machine.running(unit, instance="shop-1") as (process, systemd):
        systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")
        if unit.values("Service", "ExecReload"):
            reload = unit.command("ExecReload", "shop-1")
            subprocess.run(reload, env={"MAINPID": str(process.pid), "PATH": "/nonexistent"}, check=True)
            systemd.wait_for("RELOADING=1")
            systemd.wait_for("READY=1")
        process.terminate()
        systemd.wait_for("STOPPING=1")
        assert process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("name", RELOADED)
def test_a_service_tells_systemd_of_its_life(machine: Machine, name: str) -> None:
    with RELOADED[name](machine):
        tell_life(machine, name)


@pytest.mark.usefixtures("events")
def test_the_stats_service_as_shipped_tells_systemd_of_its_life(machine: Machine) -> None:
    tell_life(machine, "stats-service.service")
    assert (machine.root / "var/lib/stats-service/stats-service.outbox").is_file()


def test_the_consumer_tells_systemd_of_its_life(machine: Machine, events: Path, kafka: MockKafka, topic: str) -> None:
    with InfluxdbSimulator(databases=["stats"]) as influxdb:
        keys = {"influxdb.url": influxdb.url, "influxdb.db": "stats", "kafka.brokers": kafka.brokers}
        lines = [f"{key} = {value}" for key, value in {**keys, "kafka.topic": topic}.items()]
        events.write_text(events.read_text().replace("[app:main]", "\n".join(["[app:main]", *lines])))
        tell_life(machine, "stats-service-consume.service")


@pytest.mark.parametrize("name", APTELIGENT)
def test_a_timed_import_keeps_its_files_where_the_unit_says(machine: Machine, name: str) -> None:
    with crash_analytics(machine):
        done = machine.run(load_unit(f"{name}.service"))
    assert done.returncode == 0, done.stderr
    assert_kept(machine, "apteligent-importer", name)


def test_pingdom_keeps_its_files_where_the_unit_says(machine: Machine) -> None:
    with PingdomSimulator() as vendor:
        access = {"hostname": f"{vendor.url}/api/3.1", "token": PINGDOM_TOKEN}
        write(machine.etc("apteligent-importer"), pingdom=access, graphite={"protocol": "sqlite"})
        done = machine.run(load_unit("pingdom.service"))
    assert done.returncode == 0, done.stderr
    assert_kept(machine, "apteligent-importer", "pingdom")


def test_a_collection_without_a_drop_in_takes_the_files_of_its_slug(machine: Machine) -> None:
    folder = machine.etc("pp-collector")
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop, StagecraftSimulator() as stagecraft:
        stagecraft.collectors[SLUG] = {
            "slug": SLUG,
            "entry_point": "performanceplatform.collector.pingdom",
            "data_set": {"data_group": "tax-disc", "data_type": "monitoring"},
            "query": {"name": pingdom.checks[0].name},
            "options": {},
        }
        data_set = backdrop.add_data_set("tax-disc", "monitoring", token="of-the-set")
        access = {"token": PINGDOM_TOKEN, "url": pingdom.url_3_1}
        for kind, content in (("credentials", access), ("tokens", {"token": "of-the-set"})):
            (folder / kind).mkdir()
            write(folder / kind, **{SLUG: content})
        platform = {
            "backdrop_url": backdrop.data_url,
            "stagecraft_url": stagecraft.url,
            "omniscient_api_token": STAGECRAFT_TOKEN,
        }
        write(folder, performanceplatform=platform)
        done = machine.run(load_unit("pp-collector@.service"), instance=SLUG)
        assert done.returncode == 0, done.stderr
        assert data_set.records


def assert_kept(machine: Machine, project: str, command: str) -> None:
    outbox = machine.root / "var/lib" / project / f"{command}.outbox"
    assert outbox.stat().st_mode & 0o077 == 0
    assert (machine.root / "var/log" / project / f"{command}.log").is_file()
