"""The part of `metrics-importer demo` that shows the incidents of a team to Prometheus, by configuration alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.cli.metrics_importer.demo.stage import Part, Stage
from importer.simulators.victorops import API_ID, API_KEY, VictorOpsSimulator, incident

CONFIG_FILE, SECRET_FILE = "config.json", "oncall.secret"
SERVICE = "oncall"

_PHASES = ("triggered", "acknowledged", "acknowledged", "resolved", "resolved", "resolved", "resolved")
_KEYS = ("web", "database")
_METRICS = [
    {
        "name": "oncall_incidents",
        "path": "$.incidents[*]",
        "aggregate": "count",
        "by": {"phase": "{.currentPhase}", "routing_key": "{.routingKey}"},
        "help": "Current incidents.",
    },
    {"name": "oncall_alerts", "path": "$.incidents[*].alertCount", "aggregate": "sum", "help": "Alerts of these."},
]


@contextmanager
def played(config: Path) -> Iterator[Part]:
    """Play the vendor, and write the files of the service into `config`."""
    incidents = [
        incident(number, phase=phase, routing_key=_KEYS[number % 2]) for number, phase in enumerate(_PHASES, start=1)
    ]
    with VictorOpsSimulator(incidents) as simulator:
        secret = config / SECRET_FILE
        secret.write_text(f'API_ID="{API_ID}"\nAPI_KEY="{API_KEY}"\n')
        service = {
            "port": 8020,
            "api_url": simulator.public_url,
            "headers": {"X-VO-Api-Id": "${API_ID}", "X-VO-Api-Key": "${API_KEY}"},
            "secret_file_path": str(secret),
            "metrics": _METRICS,
        }
        content = {
            "api_call_intervals": 60,
            "destinations": [{"protocol": "sqlite"}],
            "services": {SERVICE: service},
        }
        (config / CONFIG_FILE).write_text(json.dumps(content, indent=2))
        yield Part("Splunk On-Call", _show)


def _show(stage: Stage) -> None:
    print()
    exposition: list[str] = []

    def shown(output: str) -> str:
        exposition.extend(line for line in output.splitlines() if line.startswith("oncall_"))
        return f"{len(exposition)} series"

    command_line = ("cton", "-s", SERVICE, "-c", f"config/{CONFIG_FILE}", "--once")
    stage.do("incidents, as Prometheus sees them", *command_line, result=shown)
    print("\n" + "\n".join(exposition), flush=True)
