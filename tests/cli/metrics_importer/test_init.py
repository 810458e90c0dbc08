"""metrics-importer init, told by flags: what it writes passes `check`, whatever the vendor and the store."""

import configparser
import json
import os
import stat
from pathlib import Path

import pytest

from importer.cli.metrics_importer.asked_keys import destination_keys
from importer.cli.metrics_importer.init.main import VENDORS, _vendor
from importer.config import load_ini
from importer.leexport.search_files import load_search_ini
from importer.sinks import PROTOCOLS
from tests.cli.metrics_importer.in_process import MetricsImporter

SECRET = "open-sesame-4711"

VENDOR_FLAGS: dict[str, list[str]] = {
    "apteligent": ["hostname=api.example.org", "username=ali", "!password", "!clientID"],
    "pingdom": ["!token"],
    "leexportpy": ["!rw_api_key", "logs=a96d464b-acf7-43c8-b133-4df8551e718d,b"],
    "cton": [
        *("service=queue", "api_url=http://127.0.0.1:8222/varz", "metric=queue_length", "path=$.queue.length"),
        *("!bearer_token",),
    ],
    "cton-class": [
        *("service=nats", "api_url=http://127.0.0.1:8222", "service_class=NatsApi", "service_module=nats_api"),
        *("gauges=nats_connections,nats_memory_bytes",),
    ],
    "pp-collector": ["slug=shop", "data-group=shop", "data-type=monitoring", "query.name=shop", "!credentials.token"],
    "stats-service": ["username=ali", "port=20081"],
}
"""What each vendor needs to be told; secrets have a ! before their names."""
STORE_FLAGS: dict[str, list[list[str]]] = {
    "plain": [["host=127.0.0.1", "port=2003"], ["host=127.0.0.1", "port=2003", "max_buffer=100", "prefix=acme"]],
    "pickle": [["host=127.0.0.1", "port=2004"]],
    "dummy": [[]],
    "sqlite": [[], ["path=/var/lib/shop/metrics.db", "retention_days=90"]],
    "influxdb": [
        ["url=http://127.0.0.1:8086", "database=shop"],
        ["url=http://127.0.0.1:8086", "database=shop", "username=shop", "!password"],
        ["url=http://127.0.0.1:8086", "bucket=shop", "org=acme", "!token"],
    ],
    "prometheus": [["port=9117"], ["textfile=shop.prom"], ["pushgateway=http://127.0.0.1:9091", "job=shop"]],
    "kafka": [
        ["brokers=127.0.0.1:9092,127.0.0.2:9092", "topic=shop"],
        [
            *("brokers=127.0.0.1:9092", "topic=shop", "security.protocol=SASL_SSL"),
            *("sasl.mechanism=PLAIN", "sasl.username=ali", "!sasl.password"),
        ],
    ],
    "hosted_graphite": [["push_url=https://www.hostedgraphite.com/api/v1/sink", "!api_key"]],
    "file": [["path=/var/lib/shop/metrics.jsonl"]],
}
PAIRS = [
    (vendor, protocol, flags)
    for vendor in VENDOR_FLAGS
    for protocol in _vendor(vendor).stores
    for flags in STORE_FLAGS[protocol]
]


def flags_of(vendor: str, *, without: str = "") -> list[str]:
    return _flags([flag for flag in VENDOR_FLAGS[vendor] if flag.strip("!").partition("=")[0] != without])


def store_flags(flags: list[str]) -> list[str]:
    return _flags([f"!store.{flag[1:]}" if flag.startswith("!") else f"store.{flag}" for flag in flags])


def _flags(flags: list[str]) -> list[str]:
    found = []
    for flag in flags:
        found += ["--secret-file", f"{flag[1:]}=secret"] if flag.startswith("!") else ["--set", flag]
    return found


@pytest.fixture
def command(metrics_importer: MetricsImporter, tmp_path: Path) -> MetricsImporter:
    """The command, in a directory with a file `secret` and one `new`, which is for configurations."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return metrics_importer


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_every_vendor_and_every_protocol_is_tried_here() -> None:
    assert set(VENDOR_FLAGS) == set(VENDORS)
    assert set(STORE_FLAGS) == set(PROTOCOLS)


@pytest.mark.parametrize(("vendor", "protocol", "flags"), PAIRS)
def test_what_is_written_passes_check_and_holds_no_secret(
    command: MetricsImporter, tmp_path: Path, vendor: str, protocol: str, flags: list[str]
) -> None:
    new = tmp_path / "new"
    arguments = ("init", vendor, "--config", new, *flags_of(vendor), "--store", protocol, *store_flags(flags))
    outcome = command.run(*arguments)
    assert {line.split()[0] for line in outcome.out.partition("next:")[0].splitlines()} >= {"written", "ok"}
    assert "\nnext:\n  sudo " in outcome.out
    assert outcome.err == ""
    assert {path for path in files(new) if SECRET in (new / path).read_text()} == set()
    assert not any(path.name.startswith(".") for path in new.iterdir())


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_a_terminal_what_is_missing_is_named_by_its_flag_and_nothing_is_written(
    command: MetricsImporter, tmp_path: Path, vendor: str
) -> None:
    for flag in VENDOR_FLAGS[vendor]:
        key = flag.strip("!").partition("=")[0]
        question = next((each for each in _vendor(vendor).questions if each.key == key), None)
        if question is not None and (question.is_optional or question.default is not None):
            continue
        flags = flags_of(vendor, without=key)
        outcome = command.run("init", vendor, "--config", tmp_path / "new", *flags, "--store", "sqlite", code=2)
        wanted = f"--secret-file {key}=FILE" if flag.startswith("!") else f"--set {key}=..."
        assert f"missing: {wanted}" in outcome.err
        assert outcome.err.count("\n") == 1
        assert not (tmp_path / "new").exists()


def test_all_that_is_missing_is_one_line(command: MetricsImporter) -> None:
    outcome = command.run("init", "pp-collector", "--set", "backdrop_url=http://127.0.0.1/data", code=2)
    for flag in ("--set slug=...", "--set data-group=...", "--set query.name=...", "--secret-file token=FILE"):
        assert flag in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whatever_a_store_needs_is_asked_for(command: MetricsImporter, tmp_path: Path, protocol: str) -> None:
    (*_, description) = STORE_FLAGS[protocol]
    for flag in description:
        rest = store_flags([each for each in description if each != flag])
        arguments = ("init", "pingdom", "--config", tmp_path / "new", *flags_of("pingdom"), "--store", protocol, *rest)
        key = flag.strip("!").partition("=")[0]
        keys = destination_keys(tmp_path, {"protocol": protocol}, state=tmp_path)
        if key in keys.asked and keys.asked[key].is_required:
            outcome = command.run(*arguments, code=2)
            assert f"store.{key}=" in outcome.err
            assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--store", "influxdb", "--set", "url=http://a"], "database: give either database"),
        (["--store", "prometheus"], "needs exactly one of port, pushgateway, textfile"),
        (["--store", "plain", "--set", "host=a", "--set", "port=x"], "'x' is not a number"),
        (["--store", "plain", "--set", "host=a", "--set", "port=70000"], "port: 70000 is not a whole number"),
        (["--store", "plain", "--set", "host=a b", "--set", "port=1"], "host"),
        (["--store", "pigeon"], "--store: pingdom delivers to plain"),
        (["--store", "sqlite", "--set", "hots=a"], "not known here: hots"),
        (["--store", "sqlite", "--set", "store.self=a"], "not known here: store.self"),
        (["--store", "sqlite", "--set", "store.protocol=a"], "not known here: store.protocol"),
        (["--store", "sqlite", "--secret-file", "token=/dev/stdin"], "does not last; give token=- "),
        (["--store", "sqlite", "--set", "hostname"], "is not KEY=VALUE"),
        (["--store", "sqlite", "--set", "hostname=ftp://a"], "hostname"),
        (["--store", "hosted_graphite", "--set", "push_url=tcp://a", "--set", "api_key=x"], "--secret-file store.api"),
        (
            ["--store", "influxdb", "--set", "url=http://a", "--set", "bucket=a", "--secret-file", "store.token=no"],
            "no",
        ),
    ],
)
def test_a_wrong_flag_is_one_line_and_writes_nothing(
    command: MetricsImporter, tmp_path: Path, flags: list[str], told: str
) -> None:
    arguments = ("init", "pingdom", "--config", tmp_path / "new", *flags_of("pingdom"), *flags)
    outcome = command.run(*arguments, code=2)
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_secret_in_a_flag_is_refused_with_the_flag_to_use_and_not_repeated(command: MetricsImporter) -> None:
    flags = ["--set", "hostname=a", "--set", "username=b", "--set", f"password={SECRET}"]
    outcome = command.run("init", "apteligent", *flags, code=2)
    assert "--secret-file password=FILE" in outcome.err
    assert SECRET not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["--store", "kafka", "--set", "brokers=a:9092", "--set", "topic=a"], "store.sasl.password"),
        (["--store", "influxdb", "--set", "url=http://a", "--set", "database=a"], "store.password"),
    ],
)
def test_so_is_a_secret_of_the_store(command: MetricsImporter, arguments: list[str], key: str) -> None:
    outcome = command.run("init", "pingdom", *flags_of("pingdom"), *arguments, "--set", f"{key}={SECRET}", code=2)
    assert f"--secret-file {key}=FILE" in outcome.err
    assert SECRET not in outcome.err


def test_so_is_one_of_a_vendor_that_is_asked_nothing(command: MetricsImporter) -> None:
    place = ["--set", "slug=a", "--set", "data-group=a", "--set", "data-type=a", "--set", "entrypoint=a.b"]
    outcome = command.run("init", "pp-collector", *place, "--set", f"credentials.api_key={SECRET}", code=2)
    assert "--secret-file credentials.api_key=FILE" in outcome.err
    assert SECRET not in outcome.err


def test_a_file_that_is_there_is_left_alone_unless_forced_and_then_kept(
    command: MetricsImporter, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "pingdom.json").write_text("old")
    (new / "pingdom.json").chmod(0o604)
    arguments = ("init", "pingdom", "--config", new, *flags_of("pingdom"), "--store", "dummy")
    assert "--force" in command.run(*arguments, code=2).err
    assert files(new) == {"pingdom.json"}
    assert (new / "pingdom.json").read_text() == "old"
    command.run(*arguments, "--force")
    assert (new / "pingdom.json.bak").read_text() == "old"
    assert json.loads((new / "pingdom.json").read_text())["metric_root"] == "pingdom"
    assert stat.S_IMODE((new / "pingdom.json").stat().st_mode) & 0o007 == 0


def test_what_the_loader_refuses_replaces_nothing(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "pingdom.json").write_text("old")
    flags = [*flags_of("pingdom"), "--set", "hostname=ftp://a", "--store", "dummy", "--force"]
    outcome = command.run("init", "pingdom", "--config", new, *flags, code=2)
    assert f"{new / 'pingdom.json'}: hostname" in outcome.err
    assert files(new) == {"pingdom.json"}
    assert (new / "pingdom.json").read_text() == "old"


def test_a_graphite_json_that_others_use_stays_unless_a_store_is_named(
    command: MetricsImporter, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    command.run("init", "apteligent", "--config", new, *flags_of("apteligent"), "--store", "file")
    before = (new / "graphite.json").read_text()
    command.run("init", "pingdom", "--config", new, *flags_of("pingdom"))
    assert (new / "graphite.json").read_text() == before
    assert (
        "graphite.json exists"
        in command.run(
            "init", "pingdom", "--config", new, *flags_of("pingdom"), "--store", "dummy", "--force", code=0
        ).out
        or (new / "graphite.json.bak").read_text() == before
    )


def test_lists_that_a_user_has_made_are_never_replaced(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "app.blacklist").write_text("52d0\n")
    command.run("init", "apteligent", "--config", new, *flags_of("apteligent"), "--store", "dummy", "--force")
    assert (new / "app.blacklist").read_text() == "52d0\n"


def test_a_secret_from_standard_input_has_a_file_of_its_own(
    command: MetricsImporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.write(write, f"{SECRET}\n".encode())
    os.close(write)
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        command.run("init", "pingdom", "--config", tmp_path / "new", "--secret-file", "token=-", "--store", "dummy")
    assert json.loads((tmp_path / "new/pingdom.json").read_text())["token_file"] == "pingdom-token"
    assert (tmp_path / "new/pingdom-token").read_text() == f"{SECRET}\n"
    assert stat.S_IMODE((tmp_path / "new/pingdom-token").stat().st_mode) in (0o600, 0o640)
    assert (tmp_path / "new/pingdom-token").stat().st_mode & 0o007 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to a group")
def test_what_root_writes_is_for_the_group_of_the_directory_too(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    os.chown(new, 0, 4711)
    command.run("init", "stats-service", "--config", new, *flags_of("stats-service"))
    for path in new.iterdir():
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 4711, 0o640)


def test_without_a_group_of_its_own_secrets_are_for_their_owner_alone(command: MetricsImporter, tmp_path: Path) -> None:
    command.run("init", "stats-service", "--config", tmp_path / "new", *flags_of("stats-service"))
    assert stat.S_IMODE((tmp_path / "new" / "access.json").stat().st_mode) in (0o600, 0o640)
    assert stat.S_IMODE((tmp_path / "new" / "stats-service.ini").stat().st_mode) == 0o640


def test_keys_of_vendor_and_store_are_told_apart_by_the_prefix(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    store = ["--store", "influxdb", *store_flags(["url=http://127.0.0.1", "database=b", "username=bob", "!password"])]
    command.run("init", "apteligent", "--config", new, *flags_of("apteligent"), *store)
    assert json.loads((new / "apteligent.json").read_text())["username"] == "ali"
    assert json.loads((new / "graphite.json").read_text())["username"] == "bob"


def test_values_come_back_from_an_ini_file_as_they_were_given(command: MetricsImporter, tmp_path: Path) -> None:
    statement = "where(path=\"/a, b#c\", host='x') groupby(status) calculate(count)"
    flags = [*flags_of("leexportpy"), "--set", f"statement={statement}", "--set", "name=All, of it"]
    store = ["--store", "influxdb", "--set", "url=http://a/x?b=c,d", "--set", "bucket=a, b # c"]
    command.run("init", "leexportpy", "--config", tmp_path / "new", *flags, *store[:4], "--set", "bucket=a, b", code=2)
    command.run("init", "leexportpy", "--config", tmp_path / "new", *flags, "--store", "file", "--set", "path=/a, b#c")
    content = load_ini(tmp_path / "new/config.ini", verbatim=["statement"])
    search = content["Searches"]["All, of it"]  # type: ignore[index]
    assert search["query"]["statement"] == statement
    assert search["query"]["logs"] == "a96d464b-acf7-43c8-b133-4df8551e718d:b"
    assert search["destination"]["path"] == "/a, b#c"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("where(/a # b/) calculate(count)", "a # b"),
        ("# all", "# all"),
        ('"error"', '"error"'),
        ("'error'", "'error'"),
        ("'a' AND '''b'''", "'a"),
        ('"""a', '"""a'),
        (" a, b ", " a, b "),
        ("where(a='b\"c')", "it's 5\""),
        ("'a' and \"b\" # c", "b]c"),
    ],
)
def test_what_looks_like_a_comment_or_quotes_stays_in_a_statement_and_a_name(
    command: MetricsImporter, tmp_path: Path, statement: str, name: str
) -> None:
    flags = ["--secret-file", "rw_api_key=secret", "--store", "sqlite"]
    values = [f"statement={statement}", f"name={name}", "logs=a # b"]
    command.run("init", "leexportpy", "--config", tmp_path / "new", *flags, *_flags(values))
    search = load_search_ini(tmp_path / "new/config.ini")["Searches"][name]  # type: ignore[index]
    assert (search["query"]["statement"], search["query"]["logs"]) == (statement, "a # b")


def test_the_first_user_of_the_stats_service_gets_a_token_once(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    outcome = command.run("init", "stats-service", "--config", new, *flags_of("stats-service"))
    (user,) = json.loads((new / "access.json").read_text())
    assert user["username"] == "ali"
    assert user["tokens"][0]["access_token"] in outcome.out
    assert user["tokens"][0]["access_secret"] not in outcome.out
    assert (new / "access.json").stat().st_mode & 0o007 == 0
    before = (new / "access.json").read_text()
    command.run("init", "stats-service", "--config", new, "--force")
    assert (new / "access.json").read_text() == before
    parser = configparser.RawConfigParser()
    parser.read(new / "stats-service.ini")
    assert parser["server:main"]["port"] == "20080"


@pytest.mark.parametrize("database", ["a ;b", ";a"])
def test_what_the_service_would_not_read_whole_is_not_written(
    command: MetricsImporter, tmp_path: Path, database: str
) -> None:
    flags = ["--store", "influxdb", *store_flags(["url=http://127.0.0.1:8086", f"database={database}"])]
    outcome = command.run("init", "stats-service", "--config", tmp_path / "new", *flags, code=2)
    assert "cannot be written into an INI file" in outcome.err
    assert not (tmp_path / "new").exists()


def test_pp_collector_has_its_files_where_its_units_look_for_them(command: MetricsImporter, tmp_path: Path) -> None:
    new = tmp_path / "new"
    flags = [*flags_of("pp-collector"), "--set", "backdrop_url=http://127.0.0.1/data", "--secret-file", "token=secret"]
    command.run("init", "pp-collector", "--config", new, *flags, "--set", "options.key=a")
    assert files(new) == {
        *("queries/shop.json", "credentials/shop.json", "tokens/shop.json", "performanceplatform.json")
    }
    assert json.loads((new / "queries/shop.json").read_text()) == {
        "entrypoint": "performanceplatform.collector.pingdom",
        "data-set": {"data-group": "shop", "data-type": "monitoring"},
        "query": {"name": "shop"},
        "options": {"key": "a"},
    }


def test_without_a_directory_the_files_go_where_the_commands_look(command: MetricsImporter) -> None:
    command.run("init", "pingdom", *flags_of("pingdom"), "--store", "dummy")
    assert files(command.config) == {"pingdom.json", "graphite.json"}
    assert "pingdom.json" in command.run("check", "-p", "apteligent-importer", code=0).out


def test_a_directory_that_cannot_be_made_is_one_line(command: MetricsImporter, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "new"
    outcome = command.run("init", "pingdom", "--config", place, *flags_of("pingdom"), "--store", "dummy", code=1)
    assert "cannot be written" in outcome.err
    assert outcome.err.count("\n") == 1
