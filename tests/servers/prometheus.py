"""Prometheus and its Pushgateway, read back through their HTTP interfaces, and promtool's opinion of a text."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.servers.process import MINIMAL_ENVIRONMENT, START_SECONDS, Server, free_port, wait_until

CONFIGURATION = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: importer
    static_configs: [{{targets: ["{target}"]}}]
"""


Key = tuple[tuple[str, str], ...]
"""What a series is known by: its labels and its name, as `__name__`, in their order."""
OF_THE_GATEWAY = ("push_time_seconds", "push_failure_time_seconds")
"""What a Pushgateway says itself of each group."""


def get(url: str) -> bytes:
    """Return what an address answers; the proxies of the environment are none of our business on loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        answer: bytes = response.read()
        return answer


def key_of(labels: Mapping[str, str], *, without: Collection[str]) -> Key:
    """Return the key of a series; an empty label is none."""
    return tuple(sorted((name, value) for name, value in labels.items() if value and name not in without))


def check_metrics(text: bytes) -> tuple[int, str]:
    """Return promtool's exit status and complaints: 0 for a text without fault, 3 for one with bad style alone."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
        env=MINIMAL_ENVIRONMENT,
    )
    return done.returncode, done.stdout.decode()


class Prometheus(Server):
    """A Prometheus that scrapes one port of its host, five times a second."""

    program = "prometheus"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.http_port = self.claim_port()
        self.scraped_port = free_port(host)
        """Where it looks for samples: nobody is there yet."""

    def command(self) -> list[str]:
        """Return the words that start Prometheus; writes its configuration."""
        configuration = self.directory / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(target=f"{self.host}:{self.scraped_port}"))
        return [
            self.program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.host}:{self.http_port}",
            "--log.level=warn",
        ]

    def start(self) -> None:
        """Start it and return once it can be asked: it listens before that, and answers 503. Raises ServerFailed."""
        super().start()
        wait_until(self._can_be_asked, lambda: "Prometheus is not ready", deadline_seconds=START_SECONDS)

    def _can_be_asked(self) -> bool:
        try:
            get(f"http://{self.host}:{self.http_port}/-/ready")
        except urllib.error.HTTPError:
            return False
        return True

    def query(self, expression: str) -> dict[Key, float]:
        """Return what an expression is now, without the labels of the target."""
        parameters = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"http://{self.host}:{self.http_port}/api/v1/query?{parameters}"))
        return {
            key_of(series["metric"], without=("instance", "job")): float(series["value"][1])
            for series in answer["data"]["result"]
        }

    def wait_for(self, expression: str, wanted: dict[Key, float], *, deadline_seconds: float = 30) -> None:
        """Return once a query answers exactly that. Raises ServerFailed at the deadline."""
        wait_until(
            lambda: self.query(expression) == wanted,
            lambda: f"{expression} is {self.query(expression)}, wanted {wanted}",
            deadline_seconds=deadline_seconds,
        )


class PrometheusPushgateway(Server):
    """A Pushgateway that keeps its groups in memory alone."""

    program = "prometheus-pushgateway"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.http_port = self.claim_port()

    @property
    def url(self) -> str:
        """The address, as the key pushgateway has it."""
        return f"http://{self.host}:{self.http_port}"

    def command(self) -> list[str]:
        """Return the words that start the Pushgateway."""
        return [
            self.program,
            f"--web.listen-address={self.host}:{self.http_port}",
            "--persistence.file=",  # Debian's default lies under /var/lib
            "--log.level=warn",
        ]

    def read(self, job: str) -> dict[Key, float]:
        """Return what was pushed under a job, without that label."""
        text = get(f"{self.url}/metrics").decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {
            key_of({**sample.labels, "__name__": sample.name}, without=("job",)): sample.value
            for sample in samples
            if sample.labels.get("job") == job and sample.name not in OF_THE_GATEWAY
        }
