"""A machine with a vendor, a configuration and a class: where tests run cton as a user does."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.commands import Commands, Result
from tests.http_servers import Answer, BookServer
from tests.running import Running
from tests.servers.process import free_port

SHOP_CLASS = """
from collectington.collectington_api import CollectingtonApi, enable_delta_metric
from collectington.collectington_api import register_metric, register_metric_class
from collectington.config import *

@register_metric_class
class ShopApi(CollectingtonApi):
    def __init__(self):
        super().__init__()
        self.config = get_config("config.json")
        self.service_name = "shop"
        self.api_url = self.config["services"]["shop"]["api_url"]
        self.name_of_datastore = "shop"
        self.data_store_expiration_sec = 0

    @register_metric("orders_total")
    @enable_delta_metric
    def orders(self):
        return self.get_data_from_store("shop")["orders"]

    @register_metric("queue_depth")
    def depth(self):
        return self.get_data_from_store("shop")["depth"]
"""


def answer(content: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer of the vendor, as JSON."""
    return Answer(status, json.dumps(content).encode(), headers)


def scraped(port: int, path: str = "/metrics", **headers: str) -> str:
    """Return what a scrape of a port on this machine gets."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        text: str = response.read().decode()
        return text


def samples(text: str) -> dict[str, float]:
    """Return the samples of an exposition: what stands before each value, and the value."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@dataclass
class Site:
    """Writes config.json and classes into the working directory, and runs cton there."""

    commands: Commands
    vendor: BookServer
    services: dict[str, dict[str, object]] = field(default_factory=dict)
    top: dict[str, object] = field(default_factory=lambda: {"api_call_intervals": 0.05, "log_level": "INFO"})

    @property
    def config(self) -> Path:
        """Where the configuration lies."""
        return self.commands.home / "config.json"

    def shop(self, **keys: object) -> int:
        """Add the service `shop`, of a class; return its port."""
        self.commands.home.joinpath("shop_api.py").write_text(SHOP_CLASS)
        entry = {"service_class": "ShopApi", "service_module": "shop_api", "api_url": f"{self.vendor.url}/shop"}
        mapping = {"counter": ["orders_total"], "gauge": ["queue_depth"]}
        return self.add("shop", {**entry, "prometheus_metrics_mapping": mapping, **keys})

    def plain(self, name: str = "stock", **keys: object) -> int:
        """Add a service without a class; return its port."""
        metrics = [{"name": "stock", "path": "$.depth", "help": "Boxes."}]
        return self.add(name, {"api_url": f"{self.vendor.url}/{name}", "metrics": metrics, **keys})

    def add(self, name: str, entry: Mapping[str, object]) -> int:
        """Add a service, on a port of its own unless the entry names one; return the port."""
        port = free_port("127.0.0.1")
        self.services[name] = {"port": port, **entry}
        return port

    def write(self) -> Path:
        """Write config.json as it is now; return its path."""
        self.config.write_text(json.dumps({**self.top, "services": self.services}))
        return self.config

    def once(self, *arguments: str) -> Result:
        """Run cton --once."""
        return self.commands.run("cton", *arguments, "-c", self.write(), "--once")

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Running]:
        """Run cton until the block is left."""
        with self.commands.start("cton", *arguments, "-c", self.write()) as process:
            running = Running(process, logs_to_stderr=True)
            try:
                yield running
            except Exception as error:
                error.add_note(running.last_words())
                raise
            finally:
                running.kill()
