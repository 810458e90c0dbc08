"""Whatever fails in a single run: no key is in what it prints, in its log or in a file that it leaves behind."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from importer.credentials import Secret
from importer.outbox import Lane, Outbox
from importer.outbox_view import OutboxView, Run
from importer.points import Payload
from importer.simulators.base import Answer, Exchange, Fault
from importer.simulators.geckoboard import API_KEY as GECKOBOARD_KEY
from importer.simulators.graphite import GraphiteReceiver, accept_then_close
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.influxdb import InfluxdbSimulator
from importer.simulators.log_search import API_KEY
from tests.commands import Result
from tests.leexport.site import Site

PASSWORD = "correct+horse/battery=staple"
PLUGIN_KEY = "plug-in's \u201ckey\u201d & more"


def forms(key: str) -> Iterator[bytes]:
    """Yield a key as it stands, and as URLs, JSON, and Basic authentication spell it."""
    yield from (key.encode(), quote(key, safe="").encode(), ascii(key)[1:-1].encode())
    yield base64.b64encode(f"{key}:".encode()).rstrip(b"=")[:-1]


def assert_no_key_is_shown(site: Site, *results: Result, others: tuple[str, ...] = ()) -> None:
    """Look at what commands have printed, at `metrics-importer`, and at every file but the configuration."""
    listings = [site.commands.run("metrics-importer", *words) for words in (("outbox", "list"), ("status",))]
    texts = {f"printed {number}": each for number, each in enumerate((*results, *listings))}
    shown = {name: f"{result.stdout}{result.stderr}".encode() for name, result in texts.items()}
    folders = (site.commands.state_dir, site.commands.log_dir, site.commands.home / "cache", site.commands.home / "tmp")
    shown |= {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    found = [
        (key, name)
        for key in (*site.keys, *others)
        for name, data in shown.items()
        if any(form in data for form in forms(key))
    ]
    assert found == []


def repeats(key: str, *, status: int) -> Fault:
    """Return a fault: an error that repeats the key, behind much other text and in the headers too."""

    def fault(exchange: Exchange) -> None:
        text = f"{'x' * 285} {key} {exchange.request.headers.get('authorization', '')} {exchange.request.body!r}"
        content = {"errorCode": key, "message": f"no {key} {text}", "error": {"message": key}}
        exchange.send(Answer.json(content, status=status, headers={"Location": f"/?key={key}"}))

    return fault


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 429, 500])
def test_a_key_that_a_server_repeats_is_shown_nowhere(site: Site, status: int) -> None:
    site.line("chart")
    site.line("query", statement="where(query) calculate(count)")
    site.series("web.errors")
    site.api.fail(repeats(API_KEY, status=status), times=None, when=lambda request: b"(query)" in request.body)
    site.geckoboard.fail(repeats(GECKOBOARD_KEY, status=status), times=None)
    site.graphite.fail(repeats(GRAPHITE_KEY, status=status), times=None)
    result = site.once()
    assert result.code == 1
    assert len(result.stderr.splitlines()) == 3
    assert_no_key_is_shown(site, result)


@pytest.mark.parametrize("shown", [8, 20, len(GRAPHITE_KEY) - 1])
def test_a_key_at_the_end_of_a_text_that_is_cut_leaves_no_part_of_it(site: Site, shown: int) -> None:
    site.series("web.errors")
    text = "x" * (300 - shown) + GRAPHITE_KEY  # 300 letters of a server's text are shown
    site.graphite.fail(Answer(400, body=text.encode()), times=None)
    result = site.once()
    listed = site.commands.run("metrics-importer", "outbox", "list")
    assert "xxx" in result.stderr and "xxx" in listed.stdout
    assert GRAPHITE_KEY[:6] not in result.stderr + result.stdout + listed.stdout


def test_wrong_keys_are_told_without_showing_them(site: Site) -> None:
    site.line("chart")
    site.series("web.errors")
    site.api.api_key = site.geckoboard.api_key = site.graphite.api_key = "another one"
    result = site.once()
    assert result.code == 1
    assert_no_key_is_shown(site, result)
    site.api.api_key = API_KEY
    again = site.once()
    assert again.code == 1
    assert "401" in again.stderr
    assert_no_key_is_shown(site, again)


def test_keys_in_addresses_are_shown_nowhere(site: Site) -> None:
    for number, url in enumerate(
        (
            f"{site.geckoboard.url}/nowhere?api_key={GECKOBOARD_KEY}",
            f"http://127.0.0.1:1/?api_key={GECKOBOARD_KEY}",
            f"http://{GECKOBOARD_KEY}@127.0.0.1:1/",
            f"htp://{GECKOBOARD_KEY}",
        )
    ):
        site.search(f"chart{number}", {"service": "geckoboard", "push_url": url, "widget_type": "line_chart"})
        site.search(f"example{number}", {"service": "dummy", "push_url": url})
        graphite = url.replace(GECKOBOARD_KEY, GRAPHITE_KEY)
        site.search(f"series{number}", {"service": "hosted_graphite", "push_url": graphite, "metric_name": "a"})
    result = site.once()
    assert result.code == 78
    assert len(result.stderr.splitlines()) == 12
    assert_no_key_is_shown(site, result)


def test_a_password_that_a_store_repeats_is_not_kept_with_what_is_set_aside(site: Site) -> None:
    with InfluxdbSimulator(databases=("shop",)) as store:
        influx = {"service": "influxdb", "url": store.url, "database": "shop", "metric_name": "shop.errors"}
        site.search("series", influx | {"username": "me", "password": f"'{PASSWORD}'"})
        store.fail(Answer.json({"error": f"no point for {PASSWORD}"}, status=400), times=None)
        result = site.once()
    assert "payloads set aside (1): " in result.stderr
    assert_no_key_is_shown(site, result, others=(PASSWORD,))


def test_reasons_are_kept_without_keys_wherever_they_come_from(tmp_path: Path) -> None:
    key = Secret("a key of no search").reveal()
    path = tmp_path / "leexportpy.outbox"
    with Outbox(path) as outbox:
        outbox.configure([Lane("lane", "family", 10**6)])
        with outbox.transaction() as transaction:
            transaction.add("lane", [Payload(b"a 1 60\n", points=1), Payload(b"b 1 60\n", points=1)])
        first = outbox.oldest("lane")
        assert first is not None
        outbox.reject(first, f"no {key}")
        outbox.note_problem("lane", f"no {key}")
        outbox.record_run(Run(0.0, 1.0, 1, 0, None, f"no {key}"))
    assert all(key.encode() not in found.read_bytes() for found in tmp_path.iterdir())
    with OutboxView.open(path) as view:
        assert [reject.reason for reject in view.rejects()] == ["no ***"]
        assert [state.problem for state in view.lanes()] == ["no ***"]


def test_keys_in_names_of_metrics_are_not_kept(site: Site) -> None:
    with GraphiteReceiver(mode=accept_then_close) as receiver:
        push_url = f"tcp://127.0.0.1:{receiver.port}"
        site.search("carbon", {"service": "hosted_graphite", "push_url": push_url, "metric_name": "web.errors"})
        result = site.once()
    assert result.code == 1
    assert_no_key_is_shown(site, result)


def test_what_a_service_of_a_user_raises_or_logs_is_shown_without_keys(site: Site) -> None:
    (site.commands.config_dir / "mine_service.py").write_text(
        "import logging\n"
        "class MineService:\n"
        "    def __init__(self, response, api_key, destination_config):\n"
        "        self.key = api_key\n"
        "    def process(self):\n"
        "        logging.getLogger(__name__).warning('pushing with %s', self.key)\n"
        "        logging.getLogger('requests').error('key: %r', {'key': self.key})\n"
        "        try:\n"
        "            raise ValueError(self.key)\n"
        "        except ValueError as error:\n"
        "            logging.getLogger('mine').exception('failed')\n"
        "            raise RuntimeError('x' * 470 + ' ' + self.key) from error\n"
    )
    site.search("own", {"service": "mine"})
    site.write(head="services_dir = .")
    config = site.config.read_text().replace("[Services]\n", f"[Services]\n[[mine]]\napi_key = '''{PLUGIN_KEY}'''\n")
    site.config.write_text(config, encoding="utf-8")
    result = site.run("start", "-c", site.config, "--once")
    assert result.code == 1
    assert "RuntimeError: xxx" in result.stderr
    assert "pushing with ***" in result.stdout
    assert PLUGIN_KEY[:12] not in result.stderr + result.stdout
    assert_no_key_is_shown(site, result, others=(PLUGIN_KEY,))


@pytest.mark.parametrize("text", ["raise ValueError({key!r})", "1 / 0 # {key}", "def {key!r}", "import os; os.{key}"])
def test_keys_in_modules_of_users_that_do_not_import_are_shown_nowhere(site: Site, text: str) -> None:
    (site.commands.config_dir / "mine_service.py").write_text(text.format(key=API_KEY))
    site.search("own", {"service": "mine"})
    site.write(head="services_dir = .")
    result = site.run("start", "-c", site.config, "--once")
    assert result.code == 78
    assert "unknown service mine" in result.stderr
    assert_no_key_is_shown(site, result)


@pytest.mark.parametrize("settings", [{}, {"ssl.ca.location": PASSWORD}, {"no.such.setting": "1"}])
def test_passwords_of_kafka_are_shown_nowhere(site: Site, settings: dict[str, object]) -> None:
    pytest.importorskip("confluent_kafka")
    kafka = {"service": "kafka", "brokers": "127.0.0.1:1", "topic": "t", "security.protocol": "sasl_plaintext"}
    sasl = {"sasl.mechanism": "NO SUCH", "sasl.username": "me", "sasl.password": PASSWORD}
    site.search("queue", kafka | sasl | settings)
    result = site.once()
    assert result.code == 78
    assert "[[queue]]" in result.stderr
    assert_no_key_is_shown(site, result, others=(PASSWORD,))


def test_a_file_that_does_not_parse_is_told_without_its_keys(site: Site) -> None:
    for line in (f"rw_api_key {API_KEY}", f"rw_api_key = '{API_KEY}", f"[[{API_KEY}", f"{API_KEY} = 1\n{API_KEY} = 2"):
        site.config.write_text(f"[LE]\n{line}\n[Searches]\n")
        result = site.run("start", "-c", site.config, "--once")
        assert result.code == 78
        assert_no_key_is_shown(site, result)


def test_a_dry_run_shows_no_key(site: Site) -> None:
    site.line("chart")
    site.series("web.errors")
    site.search("carbon", {"service": "hosted_graphite", "push_url": "tcp://127.0.0.1:1", "metric_name": "web.errors"})
    site.write()
    result = site.run("start", "-c", site.config, "--dry-run")
    assert result.code == 0
    assert_no_key_is_shown(site, result)
