"""What custom collectors import, in a process of its own, beside packages of the user's."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

OLD_NAMES = {
    "performanceplatform.client": ("DataSet", "AdminAPI", "CollectorAPI"),
    "performanceplatform.client.base": ("BaseClient", "return_none_on", "JsonEncoder", "ChunkingError"),
    "performanceplatform.client.data_set": ("DataSet",),
    "performanceplatform.client.admin": ("AdminAPI",),
    "performanceplatform.client.collector": ("CollectorAPI",),
    "performanceplatform.utils.data_parser": (
        "DataParser",
        "build_document",
        "build_document_set",
        "apply_key_mapping",
        "map_one_to_one_fields",
        "map_multi_value_fields",
        "get_string_for_data_id",
        "value_id",
    ),
    "performanceplatform.utils.data_pusher": ("Pusher",),
    "performanceplatform.utils.datetimeutil": (
        "period_range",
        "to_datetime",
        "to_date",
        "to_utc",
        "start_of_week",
        "start_of_month",
        "a_day_ago",
        "a_week_ago",
        "a_month_ago",
        "an_hour_ago",
        "generate_date_range",
    ),
    "performanceplatform.utils.requests_with_backoff": ("get", "post", "put", "HTTPError", "exceptions", "Session"),
    "performanceplatform.utils.http_with_backoff": ("HttpWithBackoff",),
    "performanceplatform.utils.collector": ("get_config",),
    "performanceplatform.utils.statsd": ("StatsClient", "incr"),
    "performanceplatform.collector.ga.plugins": (
        "load_plugin",
        "load_plugins",
        "Comment",
        "ComputeIdFrom",
        "RemoveKey",
        "ComputeRank",
        "ComputeDepartmentKey",
        "SetDepartment",
        "AggregateKey",
        "aggregate_count",
        "aggregate_rate",
        "take_first_department_code",
        "try_get_department",
        "make_aggregate",
        "group",
    ),
}
EXTENSIBLE = (
    "performanceplatform",
    "performanceplatform.collector",
    "performanceplatform.collector.ga",
    "performanceplatform.collector.ga.contrib",
    "performanceplatform.collector.ga.plugins",
    "performanceplatform.collector.gcloud",
)


def run(code: str, *folders: Path) -> str:
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (*folders, ROOT, ROOT / "compat")))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_old_name_can_be_imported() -> None:
    run("\n".join(f"from {module} import {name}" for module, names in OLD_NAMES.items() for name in names))


def test_patient_requests_are_those_of_the_old_module() -> None:
    code = (
        "from performanceplatform.utils.requests_with_backoff import *; print(get.__qualname__, HTTPError.__module__)"
    )
    assert run(code) == "PatientRequests.get requests.exceptions\n"


def test_users_add_packages_without_a_file_in_the_outer_directories(tmp_path: Path) -> None:
    for number, package in enumerate(EXTENSIBLE):
        mine = tmp_path / package.replace(".", "/") / f"mine_{number}"
        mine.mkdir(parents=True)
        (mine / "__init__.py").write_text(f"def main(*arguments): return '{package}'\n")
    code = "\n".join(
        f"from {package}.mine_{number} import main; assert main() == {package!r}"
        for number, package in enumerate(EXTENSIBLE)
    )
    run(f"{code}\nfrom performanceplatform.client import DataSet", tmp_path)


def test_a_users_module_can_add_a_plugin(tmp_path: Path) -> None:
    folder = tmp_path / "performanceplatform/collector/mine"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from performanceplatform.collector.ga import plugins\n"
        "class Double:\n"
        "    def __init__(self, key): self.key = key\n"
        "    def __call__(self, documents): return [{**each, self.key: each[self.key] * 2} for each in documents]\n"
        "plugins.Double = Double\n"
    )
    code = (
        "import performanceplatform.collector.mine\n"
        "from performanceplatform.utils.data_parser import DataParser\n"
        "from datetime import date\n"
        "options = {'plugins': ['Double(\\'n\\')', 'ComputeIdFrom(\\'n\\')']}\n"
        "rows = [{'start_date': date(2015, 6, 1), 'dimensions': {'n': 21}}]\n"
        "print(DataParser(rows, options, 'x').get_data()[0]['humanId'])\n"
    )
    assert run(code, tmp_path) == "42\n"
