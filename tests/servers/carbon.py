"""carbon-cache, which writes whisper files, and carbon-c-relay, which passes lines on to one."""

from pathlib import Path

from tests.servers.process import Server, wait_until
from tests.servers.whisper import read_points

CACHE_CONFIG = """\
[cache]
USER =
CONF_DIR = {directory}
STORAGE_DIR = {directory}
LOCAL_DATA_DIR = {directory}/whisper
LOG_DIR = {directory}
PID_DIR = {directory}
LINE_RECEIVER_INTERFACE = {host}
LINE_RECEIVER_PORT = {plain_port}
PICKLE_RECEIVER_INTERFACE = {host}
PICKLE_RECEIVER_PORT = {pickle_port}
CACHE_QUERY_INTERFACE = {host}
CACHE_QUERY_PORT = {query_port}
ENABLE_UDP_LISTENER = False
ENABLE_TAGS = False
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
MIN_TIMESTAMP_RESOLUTION = 1
USE_FLOW_CONTROL = True
WHISPER_SPARSE_CREATE = True
CARBON_METRIC_INTERVAL = 0
LOG_UPDATES = False
"""

# A stamp of 2016 and one of now both have to find their place, each by itself. The files have holes, so that
# seven gigabytes of slots take a few blocks of disk.
CACHE_SCHEMAS = """\
[every second]
pattern = .*
retentions = 1s:20y
"""

RELAY_CONFIG = """\
listen type linemode {host}:{port} proto tcp;
cluster store forward {store_host}:{store_port};
match * send to store stop;
"""


class CarbonCache(Server):
    """Graphite's own daemon, with a plain and a pickle port; one point a second for twenty years."""

    program = "carbon-cache"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.plain_port = self.claim_port()
        self.pickle_port = self.claim_port()
        self.query_port = self.claim_port()

    def command(self) -> list[str]:
        """Return the words that start carbon-cache; writes carbon.conf and storage-schemas.conf."""
        config = self.directory / "carbon.conf"
        config.write_text(CACHE_CONFIG.format_map(vars(self)))
        (self.directory / "storage-schemas.conf").write_text(CACHE_SCHEMAS)
        pid_file = self.directory / "carbon.pid"
        pid_file.unlink(missing_ok=True)  # a killed one leaves it, and its number may be somebody else's now
        return [
            *(self.program, f"--config={config}", f"--pidfile={pid_file}"),
            *(f"--logdir={self.directory}", "--nodaemon", "start"),
        ]

    def names(self) -> list[str]:
        """Return the names of all metrics that were written to disk, in alphabetical order."""
        root = self.directory / "whisper"
        return sorted(".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.wsp"))

    def read(self, name: str) -> dict[int, float]:
        """Return what is on disk of one metric now: seconds since 1970 -> value; nothing for an unknown name."""
        *folders, last = name.split(".")
        try:
            return read_points(self.directory.joinpath("whisper", *folders, f"{last}.wsp"))
        except (FileNotFoundError, ValueError):  # ValueError: it is being made just now
            return {}

    def wait_for(self, name: str, points: int = 1, *, deadline_seconds: float = 30) -> dict[int, float]:
        """Return read(name) once it has that many points. Raises ServerFailed at the deadline."""
        wait_until(
            lambda: len(self.read(name)) >= points,
            lambda: f"{name} has {self.read(name)}, wanted {points}; on disk: {self.names()[:20]}",
            deadline_seconds=deadline_seconds,
        )
        return self.read(name)


class CarbonRelay(Server):
    """carbon-c-relay before a store: takes lines (no pickle) and keeps them in memory while the store is away."""

    program = "carbon-c-relay"

    def __init__(self, directory: Path, *, store: CarbonCache, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.store = store
        self.plain_port = self.claim_port()

    def command(self) -> list[str]:
        """Return the words that start the relay; writes its configuration."""
        config = self.directory / "relay.conf"
        config.write_text(
            RELAY_CONFIG.format(
                host=_bracketed(self.host),
                port=self.plain_port,
                store_host=_bracketed(self.store.host),
                store_port=self.store.plain_port,
            )
        )
        return [self.program, "-f", str(config), "-w", "1", "-H", "relay"]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
