"""What a machine imports from and into, all of it on loopback, and the files that tell it so."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from importer.events.client.analytics import Analytics
from importer.simulators.backdrop import BackdropSimulator, DataSet
from importer.simulators.influxdb import InfluxdbSimulator
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator
from importer.simulators.pingdom import TOKEN as PINGDOM_TOKEN
from importer.simulators.pingdom import PingdomSimulator
from importer.simulators.stagecraft import TOKEN as STAGECRAFT_TOKEN
from importer.simulators.stagecraft import StagecraftSimulator
from importer.simulators.victorops import API_ID, VictorOpsSimulator, incident
from importer.simulators.victorops import API_KEY as ON_CALL_KEY
from tests.debian.container import Container
from tests.end_to_end.world import World
from tests.servers.process import free_port

HOST = "127.0.0.1"
SLUG = "tax-disc-monitoring"
SERVICE = "oncall"
"""Of cton."""
SHIPPED = "/usr/share/doc/metrics-importer/examples"


def write_json(machine: Container, path: str, content: object) -> None:
    """Write a configuration file of the machine."""
    machine.write(path, json.dumps(content))


@contextmanager
def crash_analytics(machine: Container, folder: Path, *, port: int | None = None) -> Iterator[World]:
    """Give the vendor of the Apteligent commands, whose files on the machine name it and a store.

    The store is that of the world, unless a port of this machine is given. The vendor's clock stands still.
    """
    world = World(folder)
    world.commands.environment["CONFIG_DIR"] = str(machine.root / "etc/apteligent-importer")
    world.commands.environment["STATE_DIR"] = str(machine.root / "var/lib/apteligent-importer")
    with world:
        if port is not None:
            world.write_config(world.destination(port))
        yield world


@contextmanager
def searches(machine: Container, carbon: Mapping[str, object]) -> Iterator[None]:
    """Play the vendor of leexportpy, which has one search, for a carbon."""
    with LogSearchSimulator() as api:
        keys = "".join(f"{key} = {value}\n" for key, value in carbon.items())
        machine.write(
            "/etc/leexportpy/config.ini",
            f"[LE]\nrw_api_key = {API_KEY}\nurl = {api.base_url}\n[Searches]\n[[Requests]]\n[[[query]]]\nlogs = {LOG}\n"
            "query_period = 60\nquery_range = 600\nstatement = where(status>=200) calculate(count)\n"
            f"[[[destination]]]\nservice = graphite\nmetric_name = shop.requests\n{keys}",
        )
        yield


@contextmanager
def incidents(machine: Container, carbon: Mapping[str, object]) -> Iterator[int]:
    """Play the vendor of cton's one service, for Prometheus and for a carbon; give the port to be scraped."""
    port = free_port(HOST)
    with VictorOpsSimulator([incident(number) for number in (1, 2, 3)]) as simulator:
        machine.write("/etc/collectington/oncall.secret", f'API_ID="{API_ID}"\nAPI_KEY="{ON_CALL_KEY}"\n')
        service = {
            "port": port,
            "api_url": simulator.public_url,
            "headers": {"X-VO-Api-Id": "${API_ID}", "X-VO-Api-Key": "${API_KEY}"},
            "secret_file_path": "/etc/collectington/oncall.secret",
            "metrics": [{"name": "oncall_incidents", "path": "$.incidents[*]", "aggregate": "count", "help": "Now."}],
        }
        content = {"api_call_intervals": 5, "destinations": [dict(carbon)], "services": {SERVICE: service}}
        write_json(machine, "/etc/collectington/config.json", content)
        yield port


@contextmanager
def checks(machine: Container) -> Iterator[PingdomSimulator]:
    """Play the vendor of pingdom, whose points go where those of the Apteligent commands go."""
    with PingdomSimulator() as vendor:
        access = {"hostname": f"{vendor.url}/api/3.1", "token": PINGDOM_TOKEN, "metric_root": "pingdom"}
        write_json(machine, "/etc/apteligent-importer/pingdom.json", access)
        yield vendor


@contextmanager
def collection(machine: Container) -> Iterator[DataSet]:
    """Play all that the collection SLUG asks; give the data set that it fills."""
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop, StagecraftSimulator() as stagecraft:
        stagecraft.collectors[SLUG] = {
            "slug": SLUG,
            "entry_point": "performanceplatform.collector.pingdom",
            "data_set": {"data_group": "tax-disc", "data_type": "monitoring"},
            "query": {"name": pingdom.checks[0].name},
            "options": {},
        }
        platform = {
            "backdrop_url": backdrop.data_url,
            "stagecraft_url": stagecraft.url,
            "omniscient_api_token": STAGECRAFT_TOKEN,
        }
        folder = "/etc/pp-collector"
        write_json(machine, f"{folder}/credentials/{SLUG}.json", {"token": PINGDOM_TOKEN, "url": pingdom.url_3_1})
        write_json(machine, f"{folder}/tokens/{SLUG}.json", {"token": "of-the-set"})
        write_json(machine, f"{folder}/performanceplatform.json", platform)
        yield backdrop.add_data_set("tax-disc", "monitoring", token="of-the-set")


@dataclass(frozen=True, slots=True)
class Events:
    """The stats service of the machine, and where its events go."""

    url: str
    token: str
    influxdb: InfluxdbSimulator

    def post(self, name: str) -> None:
        """Send an event, which has to be taken."""
        assert Analytics({"url": self.url, "access_token": self.token, "defer": False}).log({"event": name, "uid": "1"})

    def stored(self) -> list[str]:
        """Return the names of the events in the store, each as often as it is there."""
        return sorted(str(dict(point.tags)["event"]) for point in self.influxdb.points)


@contextmanager
def events(machine: Container, **keys: str) -> Iterator[Events]:
    """Configure the stats service as its example does, on a free port, for a store; make its first user."""
    port = free_port(HOST)
    with InfluxdbSimulator(databases=["stats"]) as influxdb:
        lines = ["[app:main]", f"influxdb.url = {influxdb.url}", "influxdb.db = stats"]
        lines += [f"{key.replace('_', '.')} = {value}" for key, value in keys.items()]
        shipped = machine.shell(f"cat {SHIPPED}/stats-service/stats-service.ini")
        assert "port = 20080" in shipped
        configured = shipped.replace("port = 20080", f"port = {port}").replace("[app:main]", "\n".join(lines))
        machine.write("/etc/stats-service/stats-service.ini", configured)
        said = machine.run("stats-token", "create", "ali", "--access-json", "/etc/stats-service/access.json")
        yield Events(f"http://{HOST}:{port}", said.split()[-1], influxdb)


def import_once(machine: Container, command: str) -> None:
    """Run a command once as its unit's user; what its store does not take waits in the outbox."""
    machine.run("runuser", "--user=metrics-importer", "--", command, "--once", "--quiet")


def waiting(machine: Container, command: str) -> int:
    """Return how many points wait in the outbox of a command, as `metrics-importer status` tells it."""
    status = json.loads(machine.shell("metrics-importer status --json 2>/dev/null || test $? -eq 1"))
    return sum(each["waiting"]["points"] for each in status["commands"] if each["command"] == command)


@contextmanager
def drop_in(machine: Container, unit: str, text: str, *, name: str = "test") -> Iterator[None]:
    """Change a unit while the block lasts, as `systemctl edit` does."""
    file = f"/etc/systemd/system/{unit}.d/{name}.conf"
    machine.write(file, text)
    machine.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        machine.run("rm", file)
        machine.run("systemctl", "daemon-reload")
