"""Users' own services in single runs, as their authors know them from the old product."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from importer.simulators.base import Answer
from importer.simulators.geckoboard import API_KEY as GECKOBOARD_KEY
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.hosted_graphite import SINK_PATH
from tests.commands import Result
from tests.leexport.answers import answer
from tests.leexport.faulty import said
from tests.leexport.running import LOG_LINE
from tests.leexport.site import COUNT, GROUPS, Site

RECORDER = """
import json
from pathlib import Path
from threading import current_thread, main_thread

class {name}Service:
    def __init__(self, response, api_key, destination_config):
        self.seen = dict(response=response, api_key=api_key, keys=dict(destination_config), name=__name__)
        self.seen |= dict(where="{where}", got=destination_config.get("nothing"))
        self.seen |= dict(in_main=current_thread() is main_thread())
        self.path = Path(destination_config["path"])

    def process(self):
        with self.path.open("a") as file:
            file.write(json.dumps(self.seen) + "\\n")
        return False
"""
"""A service that writes down what it was given."""

OLD_MODULES = {
    "leexportpy": ["__version__"],
    "leexportpy.service": ["Service"],
    "leexportpy.services": [],
    "leexportpy.services.dummy_service": ["DummyService"],
    "leexportpy.services.geckoboard_service": ["GeckoboardService"],
    "leexportpy.services.hosted_graphite_service": ["HostedGraphiteService"],
    "leexportpy.services.kafka_service": ["KafkaService"],
    "leexportpy.search": ["Search"],
    "leexportpy.leexport": ["main"],
    "leexportpy.lerestresponse": ["LeRestResponse"],
    "leexportpy.queryresponse": [
        "DATEFORMAT",
        "QueryResponse",
        "StatisticsResponse",
        "TimeSeriesStatisticsResponse",
        "GroupByStatisticsResponse",
        "QueryLeql",
    ],
    "leexportpy.request_helper": [
        "QUERY_URL",
        "generate_headers",
        "do_get_le_url",
        "do_post_json_to_le",
        "get_continuity_final_response",
        "post_le_search",
        "get_le_api_key",
    ],
}


def services_folder(site: Site, name: str = "services") -> Path:
    folder = site.commands.config_dir / name
    folder.mkdir(exist_ok=True)
    return folder


def write(folder: Path, module: str, text: str) -> None:
    (folder / f"{module}.py").write_text(text, encoding="utf-8")


def service(site: Site, name: str, body: str) -> None:
    """Write a service whose class, in the folder `services`, has this body, and add a search of the same name."""
    head = "import json, logging, os, sys, threading, warnings\nfrom leexportpy.service import Service\n"
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    write(services_folder(site), f"{name}_service", f"{head}class {name.capitalize()}Service(Service):\n{lines}")
    site.search(name, {"service": name})


def once(site: Site, *, head: str = "services_dir = services", keys: str = "", **options: object) -> Result:
    """Run all searches once; `keys` are further lines of [Services]."""
    site.write(head=head)
    site.config.write_text(site.config.read_text().replace("[Services]\n", f"[Services]\n{keys}\n"))
    return site.run("start", "-c", site.config, "--once", **options)


def printed(result: Result) -> list[str]:
    """Return what services have printed, each line with whose it is, as the log has it."""
    return [line.partition(" - printed by ")[2] for line in result.stdout.splitlines() if " - printed by " in line]


def recorded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_service_is_given_the_answer_its_key_and_its_section(site: Site, tmp_path: Path) -> None:
    write(services_folder(site), "my_application_service", RECORDER.format(name="MyApplication", where=""))
    destination = {"service": "my_application", "path": tmp_path / "seen", "teams": "a, b", "text": "'c, d'", "n": 1}
    site.search("own", destination)
    site.api.answers[COUNT] = answer("timeseries")
    result = once(site, keys="[[my_application]]\napi_key = my-own-key")
    assert (result.code, result.stderr) == (0, "")
    (seen,) = recorded(tmp_path / "seen")
    assert seen["response"] == answer("timeseries")
    assert seen["api_key"] == "my-own-key"
    assert seen["keys"] == {
        "service": "my_application",
        "path": str(tmp_path / "seen"),
        "teams": ["a", "b"],
        "text": "c, d",
        "n": "1",
    }
    assert seen["name"] == "leexportpy.services.my_application_service"
    assert seen["got"] is None
    assert seen["in_main"] is False


def test_a_service_without_a_key_is_given_none_and_one_that_pushes_events_its_events(
    site: Site, tmp_path: Path
) -> None:
    write(services_folder(site), "mine_service", RECORDER.format(name="Mine", where=""))
    site.search("own", {"service": "mine", "path": tmp_path / "seen"}, statement="where(status)")
    assert once(site).code == 0
    (seen,) = recorded(tmp_path / "seen")
    assert seen["api_key"] is None
    assert len(seen["response"]["events"]) == 50


def test_each_search_of_a_service_is_an_object_of_its_own(site: Site, tmp_path: Path) -> None:
    write(services_folder(site), "mine_service", RECORDER.format(name="Mine", where=""))
    for number in range(3):
        site.search(f"own{number}", {"service": "mine", "path": tmp_path / "seen", "number": number})
    assert once(site).code == 0
    assert sorted(seen["keys"]["number"] for seen in recorded(tmp_path / "seen")) == ["0", "1", "2"]


@pytest.mark.parametrize("form", ["services", "./services", "{folder}", "other:services", "other, {folder}", "other:"])
def test_folders_of_services_lie_beside_the_file_or_anywhere(site: Site, tmp_path: Path, form: str) -> None:
    services_folder(site, "other")
    folder = services_folder(site) if not form.endswith(":") else services_folder(site, "other")
    write(folder, "mine_service", RECORDER.format(name="Mine", where=""))
    site.search("own", {"service": "mine", "path": tmp_path / "seen"})
    assert once(site, head=f"services_dir = {form.format(folder=folder)}").code == 0
    assert len(recorded(tmp_path / "seen")) == 1


def test_the_environment_names_folders_of_services_too_after_those_of_the_file(site: Site, tmp_path: Path) -> None:
    first, second, third = (services_folder(site, name) for name in ("first", "second", "third"))
    write(first, "mine_service", RECORDER.format(name="Mine", where="first"))
    write(second, "mine_service", RECORDER.format(name="Mine", where="second"))
    write(third, "other_service", RECORDER.format(name="Other", where="third"))
    for name in ("mine", "other"):
        site.search(name, {"service": name, "path": tmp_path / name})
    variables = {"LEEXPORTPY_SERVICES": f"{second}:{third}"}
    assert once(site, head="services_dir = first", env=variables).code == 0
    assert [seen["where"] for seen in recorded(tmp_path / "mine")] == ["first"]
    assert [seen["where"] for seen in recorded(tmp_path / "other")] == ["third"]
    assert once(site, head="", env=variables).code == 0
    assert [seen["where"] for seen in recorded(tmp_path / "mine")] == ["first", "second"]


def test_a_users_service_takes_the_place_of_a_built_in_one(site: Site, tmp_path: Path) -> None:
    write(services_folder(site), "hosted_graphite_service", RECORDER.format(name="HostedGraphite", where="mine"))
    site.search("own", {"service": "hosted_graphite", "path": tmp_path / "seen"})
    assert once(site).code == 0
    (seen,) = recorded(tmp_path / "seen")
    assert (seen["where"], seen["api_key"]) == ("mine", GRAPHITE_KEY)


def test_services_import_each_other_and_modules_that_lie_beside_them(site: Site) -> None:
    write(services_folder(site), "sayings", "TEXT = 'from a module beside it'\n")
    service(site, "base", "def process(self):\n    raise RuntimeError('the base')\n")
    write(
        services_folder(site),
        "derived_service",
        "from leexportpy.services.base_service import BaseService\n"
        "from leexportpy.services.sayings import TEXT\n"
        "class DerivedService(BaseService):\n"
        "    def process(self):\n"
        "        raise RuntimeError(TEXT)\n",
    )
    site.search("derived", {"service": "derived"})
    result = once(site)
    assert said(result) == {"base": "RuntimeError: the base", "derived": "RuntimeError: from a module beside it"}
    assert result.stdout.count("passed over") == 1


RAISING = {
    "plain": ("raise ValueError('went wrong')", "ValueError: went wrong"),
    "silent": ("raise ValueError", "ValueError"),
    "lines": ("raise OSError('first\\n  second\\t\\x1b[31m third')", "OSError: first second [31m third"),
    "long": ("raise ValueError('x' * 100_000)", "ValueError: xxx"),
    "assertion": ("assert False", "AssertionError"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "exitswell": ("sys.exit(0)", "SystemExit: 0"),
    "quits": ("raise SystemExit", "SystemExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generates": ("raise GeneratorExit('end')", "GeneratorExit: end"),
    "cancelled": ("import asyncio\n    raise asyncio.CancelledError", "CancelledError"),
    "recursive": ("self.process()", "RecursionError: maximum recursion depth exceeded"),
    "request": ("import requests\n    requests.get('http://127.0.0.1:1/', timeout=1)", "ConnectionError: "),
    "status": (
        "import requests\n    requests.get(os.environ['ANSWERS'], timeout=9).raise_for_status()",
        "HTTPError: 503 Server Error",
    ),
    "own": ("class Own(BaseException): pass\n    raise Own('of my own')", "Own: of my own"),
    "undone": ("return Service.process(self)", "NotImplementedError"),
}


def test_whatever_a_service_raises_is_told_in_a_line_and_stops_no_other(site: Site) -> None:
    for name, (statement, _) in RAISING.items():
        service(site, name, f"def process(self):\n    {statement}")
    site.line("good")
    site.series("well")
    site.geckoboard.fail(Answer(503), times=None, when="/unwell")
    result = once(site, env={"ANSWERS": f"{site.geckoboard.url}/unwell"})
    assert result.code == 1
    assert list(said(result)) and said(result).keys() == RAISING.keys()
    assert {name: reason for name, reason in said(result).items() if not reason.startswith(RAISING[name][1])} == {}
    assert all(len(line) < 700 for line in result.stderr.splitlines())
    assert list(site.geckoboard.widgets) == ["good"]
    assert len(site.graphite.points) == 10


@pytest.mark.parametrize("name", ["interrupts", "exitswell", "own"])
def test_a_service_that_would_end_the_process_is_a_failure_where_it_is_the_only_one(site: Site, name: str) -> None:
    service(site, name, f"def process(self):\n    {RAISING[name][0]}")
    result = once(site)
    assert (result.code, said(result)) == (1, {name: RAISING[name][1]})


def test_a_class_that_cannot_be_made_is_told(site: Site) -> None:
    service(site, "narrow", "def __init__(self, response): pass")
    service(site, "abstract", "pass")
    result = once(site)
    assert result.code == 1
    assert said(result)["narrow"].startswith("TypeError: ")
    assert said(result)["abstract"] == "NotImplementedError"


def test_what_a_service_did_not_push_is_not_kept(site: Site) -> None:
    service(site, "failing", "def process(self):\n    raise OSError('down')")
    assert once(site).code == 1
    assert "Nothing waits to be delivered." in site.commands.run("metrics-importer", "outbox", "list").stdout
    service(site, "failing", "def process(self):\n    print('pushed', len(self.response['logs']), flush=True)")
    result = once(site)
    assert result.code == 0
    assert printed(result) == ["[[failing]] failing: pushed 1"]


def test_standard_error_holds_nothing_of_a_services_own(site: Site) -> None:
    service(
        site,
        "noisy",
        "def process(self):\n"
        "    print('printed')\n"
        "    warnings.warn('warned of')\n"
        "    logging.getLogger('mine').error('logged as an error')\n"
        "    logging.warning('logged as a warning')\n"
        "    thread = threading.Thread(target=lambda: 1 / 0)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    class Reluctant:\n"
        "        def __del__(self): raise ValueError('would not go')\n"
        "    Reluctant()",
    )
    result = once(site)
    assert (result.code, result.stderr) == (0, "")
    assert printed(result) == ["[[noisy]] noisy: printed"]
    for text in ("warned of", "logged as an error", "logged as a warning", "division by zero", "would not go"):
        assert text in result.stdout


def test_a_run_whose_service_hangs_ends_when_it_is_asked_to_stop(site: Site) -> None:
    service(site, "hanging", "def process(self):\n    print('begun', flush=True)\n    threading.Event().wait()")
    site.write(head="services_dir = services")
    with site.commands.start("leexportpy", "start", "-c", site.config, "--once") as process:
        assert process.stdout is not None
        assert any(line.endswith("printed by [[hanging]] hanging: begun\n") for line in process.stdout)
        process.terminate()
        _, told = process.communicate(timeout=5)
    assert process.returncode == 1
    assert told == (
        "leexportpy: asked to stop before everything was pushed; what was obtained is kept; not ended: [[hanging]]\n"
    )


def test_what_a_service_and_its_threads_print_is_in_the_log_line_by_line(site: Site) -> None:
    service(
        site,
        "noisy",
        "def process(self):\n"
        "    import traceback\n"
        "    print('one\\ntwo', end='')\n"
        "    print(' and a half')\n"
        "    sys.stdout.buffer.write(b'bytes')\n"
        "    print('mistake', file=sys.stderr)\n"
        "    thread = threading.Thread(target=print, args=['from a thread'], name='mine')\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    try:\n"
        "        1 / 0\n"
        "    except ZeroDivisionError:\n"
        "        traceback.print_exc()",
    )
    write(services_folder(site), "chatty_service", "print('imported')\nclass ChattyService: pass\n")
    result = once(site)
    assert (result.code, result.stderr) == (0, "")
    assert [line for line in result.stdout.splitlines() if not LOG_LINE.fullmatch(line)] == []
    lines = printed(result)
    assert lines[0] == "chatty_service.py: imported"
    own = [line.removeprefix("[[noisy]] noisy: ") for line in lines[1:] if line.startswith("[[noisy]] noisy: ")]
    assert own[:4] == ["one", "two and a half", "mistake", "Traceback (most recent call last):"]
    assert own[-2:] == ["ZeroDivisionError: division by zero", "bytes"]
    assert "a thread of a service: from a thread" in lines


def test_a_handler_of_a_service_that_prints_what_is_logged_does_not_go_round_in_circles(site: Site) -> None:
    service(
        site,
        "echoing",
        "def process(self):\n    logging.getLogger().addHandler(logging.StreamHandler())\n    print('said')",
    )
    result = once(site)
    assert result.code == 0
    assert printed(result)[0] == "[[echoing]] echoing: said"
    assert result.stdout.count("said") < 5


def test_the_traceback_of_a_service_is_in_the_log_of_those_who_debug(site: Site) -> None:
    service(site, "failing", "def process(self):\n    raise ValueError('went wrong')")
    result = once(site)
    assert "a user's service failed" not in result.stdout
    site.write(head="services_dir = services")
    result = site.run("start", "-c", site.config, "--once", "--debug")
    assert said(result) == {"failing": "ValueError: went wrong"}
    assert "a user's service failed: search=failing" in result.stdout


BROKEN = {
    "old": ("print 'Python 2'\n", "SyntaxError"),
    "missing": ("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'"),
    "leaving": ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    "stopping": ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "failing": ("{}['key']\n", "KeyError: 'key'"),
    "other": ("class Other: pass\n", "other_service.py has no class OtherService"),
}


def test_modules_that_are_of_no_use_are_told_with_the_reason_and_the_others_run(site: Site, tmp_path: Path) -> None:
    folder = services_folder(site)
    for name, (text, _) in BROKEN.items():
        write(folder, f"{name}_service", text)
        site.search(name, {"service": name})
    write(folder, "mine_service", RECORDER.format(name="Mine", where=""))
    site.search("own", {"service": "mine", "path": tmp_path / "seen"})
    site.line("good")
    result = once(site)
    assert result.code == 78
    lines = {line.split("[[")[1].partition("]]")[0]: line for line in result.stderr.splitlines()}
    assert lines.keys() == BROKEN.keys()
    for name, (_, reason) in BROKEN.items():
        assert f"service: unknown service {name}: {name}_service.py" in lines[name]
        assert reason in lines[name]
    assert len(recorded(tmp_path / "seen")) == 1
    assert list(site.geckoboard.widgets) == ["good"]


def test_a_broken_module_that_no_search_uses_is_no_failure(site: Site) -> None:
    write(services_folder(site), "broken_service", "1 / 0\n")
    site.line("good")
    result = once(site)
    assert (result.code, result.stderr) == (0, "")
    assert "broken_service.py" in result.stdout
    assert "ZeroDivisionError: division by zero" in result.stdout


def test_a_service_that_extends_geckoboards_changes_what_is_pushed(site: Site) -> None:
    write(
        services_folder(site),
        "my_board_service",
        "from leexportpy.services.geckoboard_service import GeckoboardService\n"
        "class MyBoardService(GeckoboardService):\n"
        "    def format_number_stat_data(self):\n"
        "        data = super().format_number_stat_data()\n"
        "        data['data']['item'][0]['text'] = 'mine'\n"
        "        return data\n",
    )
    push_url = site.geckoboard.push_url("own")
    site.search("own", {"service": "my_board", "push_url": push_url, "widget_type": "number_stat"})
    site.api.answers[COUNT] = answer("timeseries")
    assert once(site, keys=f"[[my_board]]\napi_key = {GECKOBOARD_KEY}").code == 0
    assert site.geckoboard.widgets == {"own": [{"item": [{"value": 132.5, "text": "mine"}]}]}
    site.geckoboard.fail(Answer(403))
    result = once(site, keys=f"[[my_board]]\napi_key = {GECKOBOARD_KEY}")
    assert result.code == 1
    assert "HTTP 403" in said(result)["own"]


def test_a_service_that_extends_hosted_graphites_changes_the_lines(site: Site) -> None:
    write(
        services_folder(site),
        "loud_service",
        "from leexportpy.services.hosted_graphite_service import HostedGraphiteService\n"
        "class LoudService(HostedGraphiteService):\n"
        "    def _transform(self):\n"
        "        return super()._transform().upper()\n",
    )
    push_url = f"{site.graphite.url}{SINK_PATH}"
    site.search("own", {"service": "loud", "push_url": push_url, "metric_name": "web.errors"})
    site.api.answers[COUNT] = answer("timeseries")
    assert once(site, keys=f"[[loud]]\napi_key = {GRAPHITE_KEY}").code == 0
    assert {point.name for point in site.graphite.points} == {"WEB.ERRORS"}


def test_a_service_that_extends_dummys_may_push_text(site: Site) -> None:
    write(
        services_folder(site),
        "text_service",
        "from leexportpy.services.dummy_service import DummyService\n"
        "class TextService(DummyService):\n"
        "    def _transform(self):\n"
        "        return 'total %s' % self.response['statistics']['count']\n",
    )
    site.search("own", {"service": "text", "push_url": f"{site.geckoboard.url}/text"})
    site.api.answers[COUNT] = answer("timeseries")
    site.geckoboard.fail(Answer(200), when="/text")
    assert once(site).code == 0
    assert site.geckoboard.requests[0].body == b"total 132.5"


def test_a_service_reads_answers_with_the_old_classes(site: Site) -> None:
    imports = "\n".join(f"from {module} import {', '.join(names)}" for module, names in OLD_MODULES.items() if names)
    write(
        services_folder(site),
        "reader_service",
        f"import requests\nimport leexportpy.services\n{imports}\n"
        "class ReaderService(Service):\n"
        "    def process(self):\n"
        "        if StatisticsResponse.is_groupby(self.response):\n"
        "            found = GroupByStatisticsResponse(self.response)\n"
        "        else:\n"
        "            found = TimeSeriesStatisticsResponse(self.response)\n"
        "        print(found.get_keys()[0], found.get_values()[0], found.get_data_length(), flush=True)\n",
    )
    site.search("series", {"service": "reader"})
    site.search("groups", {"service": "reader"}, statement=GROUPS)
    site.api.answers |= {COUNT: answer("timeseries"), GROUPS: answer("groups")}
    result = once(site)
    assert (result.code, result.stderr) == (0, "")
    assert set(printed(result)) == {
        "[[series]] reader: 2019-02-05T16:20:00Z 31.0 5",
        "[[groups]] reader: 200 802.0 4",
    }


def test_a_service_may_ask_queries_of_its_own(site: Site) -> None:
    write(
        services_folder(site),
        "asking_service",
        "from leexportpy import request_helper as api\n"
        "class AskingService:\n"
        "    def __init__(self, response, api_key, keys):\n"
        "        self.auth = {'rw_api_key': api_key, 'url': keys['url']}\n"
        "        self.query = {'logs': response['logs'][0], 'statement': keys['also'], 'query_range': '60'}\n"
        "    def process(self):\n"
        "        first = api.post_le_search(self.query, self.auth)\n"
        "        final = api.get_continuity_final_response(first, self.auth)\n"
        "        print('of my own', len(final.json()['statistics']['groups']), flush=True)\n",
    )
    site.api.polls = 1
    site.search("own", {"service": "asking", "url": site.api.base_url, "also": f"'{GROUPS}'"})
    result = once(site, keys=f"[[asking]]\napi_key = {site.api.api_key}")
    assert (result.code, result.stderr) == (0, "")
    assert printed(result) == ["[[own]] asking: of my own 4"]
    assert site.asked() == [COUNT, GROUPS]


@pytest.mark.parametrize("module", OLD_MODULES)
def test_an_old_name_imports_without_a_look_at_the_command_line_and_without_kafka(module: str, tmp_path: Path) -> None:
    script = f"""
import sys
class Poisoned(list):
    def _refuse(self, *_):
        raise AssertionError("the command line was read")
    __getitem__ = __iter__ = __len__ = _refuse
sys.argv = Poisoned()
sys.modules["confluent_kafka"] = None
import threading
import {module} as module
for name in {OLD_MODULES[module]!r}:
    getattr(module, name)
assert threading.active_count() == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
