"""What `metrics-importer check --online` leaves behind."""

from pathlib import Path

from importer.cli.leexport.files import FILES
from importer.simulators.log_search import API_KEY, LOG, LogSearchSimulator

CONFIG = """
[LE]
rw_api_key = {key}
url = {url}
[Searches]
[[s]]
[[[query]]]
logs = {log}
query_period = 60
query_range = 60
statement = calculate(count)
[[[destination]]]
service = dummy
"""


def test_a_question_to_the_query_api_leaves_no_connection(tmp_path: Path) -> None:
    with LogSearchSimulator() as api:
        path = tmp_path / "config.ini"
        path.write_text(CONFIG.format(key=API_KEY, url=api.base_url, log=LOG))
        checked = FILES[0].check(path, tmp_path)
        assert len([probe() for probe in checked.probes]) == api.request_count == 1
        api.wait_for_connections(0)
        assert len(checked.probes) == 1
