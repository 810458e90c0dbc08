"""What Stagecraft called of pp-collector still runs a collection."""

import argparse
import json
import logging
from pathlib import Path

import pytest
from performanceplatform.collector.arguments import parse_args
from performanceplatform.collector.logging_setup import close_down_logging, set_up_logging
from performanceplatform.collector.main import _run_collector

from importer.collector.run import CollectionFailed
from importer.simulators.backdrop import BackdropSimulator
from importer.simulators.pingdom import TOKEN, PingdomSimulator

ENTRYPOINT = "performanceplatform.collector.pingdom"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))


def namespace(pingdom: PingdomSimulator, backdrop: BackdropSimulator, **more: object) -> argparse.Namespace:
    options = {
        "credentials": {"token": TOKEN, "url": pingdom.url_3_1},
        "query": {
            "data-set": {"data-group": "g", "data-type": "t"},
            "query": {"name": pingdom.checks[0].name},
            "options": {},
        },
        "token": {"token": "secret-token"},
        "performanceplatform": {"backdrop_url": backdrop.data_url},
        "start_at": None,
        "end_at": None,
        "dry_run": False,
        "console_logging": True,
    }
    return argparse.Namespace(**{**options, **more})


def test_a_collection_is_run_by_a_namespace() -> None:
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop:
        data_set = backdrop.add_data_set("g", "t", token="secret-token")
        _run_collector(ENTRYPOINT, namespace(pingdom, backdrop))
    assert len(data_set.records) == 24


def test_what_fails_is_raised_in_one_line() -> None:
    with PingdomSimulator() as pingdom, BackdropSimulator() as backdrop:
        backdrop.add_data_set("g", "t", token="another")
        with pytest.raises(CollectionFailed, match="HTTP 401") as raised:
            _run_collector(ENTRYPOINT, namespace(pingdom, backdrop))
    assert "secret-token" not in str(raised.value)


def test_a_command_line_is_parsed_to_the_old_names(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text('{"a": 1}')
    files = [word for option in ("-q", "-c", "-t", "-b") for word in (option, str(path))]
    options = parse_args("name", [*files, "-s", "31 Jan 2026", "-e", "2026-02-01T12:00+02:00"])
    assert options.query == {"a": 1, "path_to_json_file": str(path)}
    assert (str(options.start_at), str(options.end_at)) == ("2026-01-31 00:00:00", "2026-02-01 10:00:00")
    assert (options.collector_slug, options.dry_run, options.console_logging) == (None, False, False)


def test_logs_go_to_two_files_of_a_folder(tmp_path: Path) -> None:
    set_up_logging("pingdom", logging.INFO, str(tmp_path), "collector.log", {"data_group": "g"})
    try:
        logging.getLogger("importer.mine").info("pushed: é")
    finally:
        close_down_logging()
    assert "[INFO] -> pushed: é" in (tmp_path / "collector.log").read_text()
    last = json.loads((tmp_path / "collector.json.log").read_text().splitlines()[-1])
    assert (last["@message"], last["@fields"]["data_group"]) == ("pushed: é", "g")
