"""What the INI file of the stats service may say, and how mistakes in it are told."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.credentials import Secret, redact
from importer.errors import ConfigError
from importer.events.event import EVENTS_FORMAT, Event, write_events
from importer.events.influxdb.query import InfluxdbQuery
from importer.events.influxdb.server import InfluxdbServer
from importer.events.kafka.subscription import Subscription
from importer.events.settings.settings import (
    TABLE_VARIABLE,
    Settings,
    influxdb_sink_of,
    log_warnings,
    read_settings,
    sinks_of,
    store_of,
    users_of,
)
from importer.events.tags import TagRule
from importer.events.tokens.users import ENVIRONMENT_USER, SECRET_VARIABLE, TOKEN_VARIABLE
from importer.paths import DirectoryFinder, Surroundings, service_places
from importer.points import Payload
from importer.simulators.influxdb import PASSWORD, USERNAME, InfluxdbSimulator
from importer.sinks.influxdb_target import Bucket, Database, Login, Token
from tests.commands import ROOT
from tests.events.tokens.old_tokens import GOLDEN

EXAMPLE = ROOT / "etc" / "stats-service" / "stats-service.ini"
PAGE = ROOT / "docs" / "systems" / "stats-service.rst"
PAIR = {"STATS_ACCESS_TOKEN": "token-of-the-environment", "STATS_ACCESS_SECRET": "secret-of-the-environment"}

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read("key = value", ..., server="...", NAME="...")`: lines of [app:main], of [server:main], variables."""

    def read(*lines: str, server: str = "", **environ: str) -> Settings:
        write(tmp_path, *lines, server=server)
        return read_settings(tmp_path / "stats.ini", environ={"STATE_DIR": str(tmp_path), **PAIR, **environ})

    return read


@pytest.fixture
def mistakes(read: Read, tmp_path: Path) -> Callable[..., list[str]]:
    """As `read`, for what is wrong, without the name of the file."""

    def mistakes(*lines: str, server: str = "", **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(*lines, server=server, **environ)
        return [line.removeprefix(f"{tmp_path / 'stats.ini'}:").strip() for line in caught.value.lines]

    return mistakes


def write(folder: Path, *lines: str, server: str = "") -> Path:
    path = folder / "stats.ini"
    path.write_text("\n".join(["[app:main]", *lines, "[server:main]", server]))
    return path


def influxdb(settings: Settings) -> InfluxdbServer:
    assert settings.influxdb is not None
    return settings.influxdb


def kafka(settings: Settings) -> Subscription:
    assert settings.kafka is not None
    return settings.kafka


def finder(root: Path, **environ: str) -> DirectoryFinder:
    surroundings = Surroundings(environ=environ, home=root, working_directory=root, root=root)
    return DirectoryFinder("stats-service", service_places(), surroundings=surroundings)


def test_the_old_file_is_read_as_it_is(tmp_path: Path) -> None:
    settings = read_settings(GOLDEN / "development.ini", environ={"STATE_DIR": str(tmp_path)})
    assert (settings.host, settings.port, settings.log_config) == ("0.0.0.0", 20080, True)
    assert settings.influxdb == InfluxdbServer(
        "http://0.0.0.0:8086", "v1", Database("stats_dev"), Login("root", Secret("root"))
    )
    assert settings.kafka is None
    assert settings.identities == GOLDEN / "access.json"
    assert settings.outbox_path == tmp_path / "stats-service.outbox"
    assert settings.warnings == ()


def test_a_file_that_says_nothing_has_every_default_and_no_store(read: Read) -> None:
    settings = read()
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 20080, 1)
    assert (settings.max_body_bytes, settings.flush_seconds, settings.retry_max_seconds) == (1048576, 1, 60)
    assert (settings.retention_days, settings.outbox_max_bytes, settings.tags) == (0, 2**30, TagRule())
    assert (settings.influxdb, settings.kafka, settings.table, settings.log_config) == (None, None, "analytics", False)


def test_every_key_of_the_service_is_read(read: Read) -> None:
    settings = read(
        "stats_service.workers = 3",
        "stats_service.max_body_bytes = 2000",
        "stats_service.flush_interval = 0.5",
        "stats_service.retry_max = 7.5",
        "stats_service.retention_days = 30",
        "stats_service.outbox_max_bytes = 4096",
        "stats_service.tags = event,",
        "    app_node",
        server="host = ::1\nport = 0",
    )
    assert (settings.host, settings.port, settings.workers) == ("::1", 0, 3)
    assert (settings.max_body_bytes, settings.flush_seconds, settings.retry_max_seconds) == (2000, 0.5, 7.5)
    assert (settings.retention_days, settings.outbox_max_bytes) == (30, 4096)
    assert settings.tags == TagRule(frozenset({"event", "app_node"}), every_text=False)


def test_one_key_of_influxdb_is_enough_to_have_the_defaults_of_the_others(read: Read) -> None:
    settings = influxdb(read("influxdb.db ="))
    assert (settings.url, settings.api, settings.target) == ("http://localhost:8086", "v1", Database("testdb"))
    assert isinstance(settings.credentials, Login)
    assert (settings.credentials.username, settings.credentials.password.reveal()) == ("user", "pass")


def test_the_default_password_is_no_word_that_logs_hide(read: Read) -> None:
    read("influxdb.host = localhost")
    assert redact("passed over") == "passed over"


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        (["influxdb.host = db", "influxdb.port = 9"], "http://db:9"),
        (["influxdb.host = fd00::1"], "http://[fd00::1]:8086"),
        (["influxdb.host = db", "influxdb.url = https://influx.example.org/base/"], "https://influx.example.org/base"),
    ],
)
def test_an_influxdb_is_named_by_host_and_port_or_by_its_url(read: Read, lines: list[str], url: str) -> None:
    assert influxdb(read(*lines)).url == url


@pytest.mark.parametrize(
    ("lines", "api", "target"),
    [
        (["influxdb.token = t", "influxdb.org = acme", "influxdb.bucket = b"], "v2", Bucket("b", "acme")),
        (["influxdb.token = t", "influxdb.db = old"], "v2", Bucket("old")),
        (["influxdb.token = t", "influxdb.api = v3", "influxdb.bucket = b"], "v3", Bucket("b")),
        (["influxdb.token = t", "influxdb.api = v1", "influxdb.db = d"], "v1", Database("d")),
    ],
)
def test_a_token_chooses_the_interface_of_2_x_unless_the_file_says_another(
    read: Read, lines: list[str], api: str, target: object
) -> None:
    settings = influxdb(read(*lines))
    assert (settings.api, settings.target, settings.credentials) == (api, target, Token(Secret("t")))


@pytest.mark.parametrize(
    ("lines", "credentials"),
    [
        (["influxdb.user ="], None),
        (["influxdb.user = ali", "influxdb.password ="], Login("ali", Secret(""))),
        (["influxdb.api = v3", "influxdb.bucket = b"], None),
        (["influxdb.api = v3", "influxdb.bucket = b", "influxdb.user = ali"], Login("ali", Secret("pass"))),
    ],
)
def test_there_is_no_login_where_the_user_is_empty_or_the_interface_needs_none(
    read: Read, lines: list[str], credentials: object
) -> None:
    assert influxdb(read(*lines)).credentials == credentials


def test_secrets_may_be_in_files_beside_the_ini_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    password = influxdb(read("influxdb.password_file = secret")).credentials
    assert password == Login("user", Secret("open sesame"))
    (tmp_path / "token").write_text("open-sesame\n")
    token = influxdb(read("influxdb.token_file = token", "influxdb.bucket = b")).credentials
    assert token == Token(Secret("open-sesame"))


def test_a_secret_in_a_file_may_be_a_credential_of_systemd(read: Read, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "secret").write_text("handed over")
    settings = read("influxdb.password_file = secret", CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))
    assert influxdb(settings).credentials == Login("user", Secret("handed over"))


def test_kafka_has_its_brokers_topic_group_and_settings_of_its_library(read: Read) -> None:
    settings = kafka(
        read(
            "kafka.brokers = a:1, b:2", "kafka.topic = events", "kafka.sasl.password = open sesame", "kafka.linger.ms=5"
        )
    )
    assert (settings.brokers, settings.topic, settings.group) == ("a:1,b:2", "events", "stats-service")
    assert settings.settings == {"sasl.password": Secret("open sesame"), "linger.ms": "5"}
    assert kafka(read("kafka.brokers = a:1", "kafka.topic = events", "kafka.group = mine")).group == "mine"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("kafka.topic = events", "[app:main] kafka.brokers: is missing; a list of text is expected"),
        ("kafka.brokers = a:1", "[app:main] kafka.topic: is missing; text is expected"),
    ],
)
def test_kafka_needs_brokers_and_a_topic(mistakes: Callable[..., list[str]], line: str, told: str) -> None:
    assert mistakes(line) == [told]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("kafka.topic = a b", "kafka.topic: 'a b' is not of letters, digits, dots, _ and -, 249 of them at most"),
        ("kafka.brokers = nowhere", "kafka.brokers: 'nowhere' is not host:port, such as kafka.example.org:9092"),
        ("kafka.group.id = mine", "kafka.group.id: is not to be set: group says it"),
        ("kafka.bootstrap.servers = a:1", "kafka.bootstrap.servers: is not to be set: brokers says it"),
    ],
)
def test_what_kafka_cannot_have_is_told(mistakes: Callable[..., list[str]], line: str, told: str) -> None:
    assert mistakes("kafka.brokers = a:1", "kafka.topic = events", line) == [f"[app:main] {told}"]


def test_a_key_of_kafka_without_a_dot_that_is_not_known_is_a_warning(read: Read) -> None:
    (warning,) = read("kafka.brokers = a:1", "kafka.topic = events", "kafka.retries = 0").warnings
    assert "[app:main] kafka.retries: is not known, and counts for nothing" in warning


def test_with_kafka_events_are_delivered_there_alone(read: Read) -> None:
    lines = ["kafka.brokers = a:1", "kafka.topic = events", "influxdb.db = d", "stats_service.outbox_max_bytes = 4096"]
    (sink,) = sinks_of(read(*lines))
    assert (sink.lane, sink.family, sink.outbox_max_bytes) == ("kafka://a:1/events", "kafka-events", 4096)
    sink.close()


def test_with_influxdb_alone_events_are_delivered_there(read: Read) -> None:
    (sink,) = sinks_of(read("influxdb.host = db", "influxdb.db = d", "stats_service.outbox_max_bytes = 4096"))
    assert (sink.lane, sink.family) == ("influxdb://db:8086/d#events", "influxdb-events")
    assert sink.outbox_max_bytes == 4096
    sink.close()


def test_without_a_store_there_is_no_sink_and_nobody_else_to_ask(read: Read) -> None:
    settings = read()
    assert (sinks_of(settings), store_of(settings)) == ([], None)


def test_who_wants_the_influxdb_that_no_file_names_is_told(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"names no InfluxDB: \[app:main\] needs keys such as influxdb\.host"):
        influxdb_sink_of(read("kafka.brokers = a:1", "kafka.topic = events"))


def test_what_the_file_says_of_influxdb_is_where_events_arrive(read: Read) -> None:
    with InfluxdbSimulator(with_login=True) as simulator:
        login = [f"influxdb.user = {USERNAME}", f"influxdb.password = {PASSWORD}"]
        where = [f"influxdb.url = {simulator.url}", "influxdb.db = d", "stats_service.tags = event"]
        (sink,) = sinks_of(read(*where, *login, TABLE_NAME="my-table"))
        event = Event(10**18, {"event": "a", "uid": "u", "event_id": "entry_1"})
        sink.deliver(Payload(write_events([event]), 1, EVENTS_FORMAT))
        sink.close()
        (point,) = simulator.points
    assert (point.database, point.measurement, point.tags) == ("d", "my-table", (("event", "a"),))
    assert point.nanoseconds == 10**18


def test_events_are_looked_for_in_influxdb_even_where_kafka_brings_them_there(read: Read) -> None:
    store = store_of(read("influxdb.host = db", "kafka.brokers = a:1", "kafka.topic = events"))
    assert isinstance(store, InfluxdbQuery)
    store.close()


def test_a_setting_that_librdkafka_refuses_is_told_with_its_key(mistakes: Callable[..., list[str]]) -> None:
    (told,) = mistakes("kafka.brokers = a:1", "kafka.topic = events", "kafka.linger.ms = soon")
    assert told.startswith("[app:main] kafka.linger.ms: is refused by librdkafka: ")


def test_here_is_the_directory_of_the_file_and_no_other_percent_sign_means_anything(read: Read, tmp_path: Path) -> None:
    settings = read("stats_service.state_dir = %(here)s/state", "influxdb.password = 100%(x)s %% %")
    assert settings.state_dir == tmp_path / "state"
    credentials = influxdb(settings).credentials
    assert isinstance(credentials, Login)
    assert credentials.password.reveal() == "100%(x)s %% %"


def test_comments_colons_repeated_keys_and_strange_sections_are_read_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "stats.ini"
    path.write_text(
        "# comment\n; comment\n[app:main]\nuse = egg:stats-service\ninfluxdb.host: first\ninfluxdb.host : last\n"
        "influxdb.user = a#b ; who writes\npyramid.includes =\nset debug = true\nInfluxdb.Port = x\n"
        "[filter:a:b]\nx = 1\n[server:main]\nport = 1\n[server:main]\nport = 20081\n"
    )
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path), **PAIR})
    assert influxdb(settings).url == "http://last:8086"
    assert isinstance(login := influxdb(settings).credentials, Login)
    assert (login.username, settings.port, settings.warnings) == ("a#b", 20081, ())


def test_a_file_of_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stats.ini"
    path.write_bytes(b"\xef\xbb\xbf[app:main]\r\ninfluxdb.db = d\r\n[server:main]\r\nport = 5\r\n")
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path), **PAIR})
    assert (influxdb(settings).target, settings.port) == (Database("d"), 5)


def test_a_key_of_ours_that_is_not_known_is_a_warning(read: Read, tmp_path: Path) -> None:
    settings = read("stats_service.worker = 3", "influxdb.hots = db", "pyramid.anything = 1")
    assert settings.warnings == (
        f"{tmp_path}/stats.ini: [app:main] stats_service.worker: is not known, and counts for nothing;"
        ' did you mean "stats_service.workers"?',
        f"{tmp_path}/stats.ini: [app:main] influxdb.hots: is not known, and counts for nothing;"
        ' did you mean "influxdb.host"?',
    )


def test_a_tag_that_no_key_can_be_is_a_warning(read: Read, tmp_path: Path) -> None:
    (warning,) = read("stats_service.tags = event now").warnings
    assert warning.startswith(f"{tmp_path}/stats.ini: [app:main] stats_service.tags: now cannot be a tag")


def test_warnings_are_logged(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    log_warnings(read("kafkas.topic = x", "influxdb.hots = db"))
    (record,) = caplog.records
    assert (record.levelname, "influxdb.hots" in record.getMessage()) == ("WARNING", True)


@pytest.mark.parametrize("value", [None, ""])
def test_the_table_is_analytics_unless_the_environment_names_another(read: Read, value: str | None) -> None:
    assert read(**({} if value is None else {"TABLE_NAME": value})).table == "analytics"
    assert read(TABLE_NAME="my-table, too").table == "my-table, too"


def test_a_table_that_would_break_lines_is_refused(mistakes: Callable[..., list[str]]) -> None:
    told = ["TABLE_NAME: holds control characters, or ends in a backslash"]
    assert mistakes(TABLE_NAME="a\nb") == told
    assert mistakes(TABLE_NAME="a\\") == told


def test_the_users_file_lies_beside_the_ini_file_or_else_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, elsewhere = tmp_path / "etc", tmp_path / "work"
    beside.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(beside, "stats_service.access.identities = access.json")
    environ = {"STATE_DIR": str(tmp_path)}
    assert read_settings(path, environ=environ).identities == beside / "access.json"
    (elsewhere / "access.json").write_text("[]")
    assert read_settings(path, environ=environ).identities == elsewhere / "access.json"
    (beside / "access.json").write_text("[]")
    assert read_settings(path, environ=environ).identities == beside / "access.json"


def test_the_users_file_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = write(tmp_path, "stats_service.access.identities = ~/access.json")
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path)})
    assert settings.identities == tmp_path / "home" / "access.json"


def test_a_home_directory_that_nobody_has_is_a_name_like_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, "stats_service.access.identities = ~nobody-has-this/access.json")
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path)})
    assert settings.identities == tmp_path / "~nobody-has-this" / "access.json"


def test_a_token_of_the_environment_takes_the_place_of_the_users_file(read: Read) -> None:
    settings = read("stats_service.access.identities = nowhere.json")
    assert settings.identities is None
    users = users_of(settings, environ=PAIR)()
    assert users.secret_of("token-of-the-environment") == Secret("secret-of-the-environment")
    assert users.find("whoever") == ENVIRONMENT_USER


@pytest.mark.parametrize("variable", PAIR)
def test_half_a_pair_in_the_environment_is_none(mistakes: Callable[..., list[str]], variable: str) -> None:
    (told,) = mistakes(**{variable: ""})
    assert told.startswith("[app:main] stats_service.access.identities: is missing; name access.json, or set STATS_")


def test_the_users_are_those_of_the_file_that_it_names(tmp_path: Path) -> None:
    path = write(tmp_path, f"stats_service.access.identities = {GOLDEN / 'two_users_access.json'}")
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path)})
    assert len(users_of(settings, environ={})().accounts) == 2


def test_a_users_file_that_is_not_there_is_told_when_it_is_wanted(tmp_path: Path) -> None:
    path = write(tmp_path, "stats_service.access.identities = access.json")
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"access\.json: does not exist"):
        users_of(settings, environ={})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("influxdb.port = x", 'influxdb.port: "x" is not a whole number from 1 to 65535'),
        ("influxdb.port = 8086 # x", 'influxdb.port: "8086 # x" is not a whole number from 1 to 65535'),
        ("stats_service.workers = 0", 'stats_service.workers: "0" is not a whole number from 1 to 64'),
        ("stats_service.max_body_bytes = 1M", 'stats_service.max_body_bytes: "1M" is not a whole number of 1 or more'),
        ("stats_service.flush_interval = 0", 'stats_service.flush_interval: "0" is not a number from 0.01 to 86400'),
        ("stats_service.retry_max = nan", 'stats_service.retry_max: "nan" is not a number from 0.01 to 86400'),
        (
            "stats_service.retention_days = -1",
            'stats_service.retention_days: "-1" is not a whole number from 0 to 100000',
        ),
        (
            "stats_service.outbox_max_bytes = 0",
            'stats_service.outbox_max_bytes: "0" is not a whole number of 1 or more',
        ),
        ("influxdb.api = v4", 'influxdb.api: "v4" is not one of v1, v2, v3'),
        ("influxdb.url = ftp://db", "influxdb.url: only http:// and https:// addresses can be used"),
        ("influxdb.token = t", "influxdb.bucket: is missing; influxdb.api = v2 wants to know it"),
        ("influxdb.bucket = b", "influxdb.bucket: goes with influxdb.token, or with influxdb.api = v2 or v3"),
        (
            "stats_service.tags = ,",
            "stats_service.tags: names no key; write names like: event app_node, or * for every key",
        ),
        ("influxdb.user = a:b", "influxdb.user: holds a colon"),
        ("influxdb.db = a\n b", "influxdb.db: is empty, or holds control characters"),
        ("stats_service.state_dir = a\0b", "stats_service.state_dir: is not the name of a directory"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(mistakes: Callable[..., list[str]], line: str, told: str) -> None:
    assert mistakes(line) == [f"[app:main] {told}"]


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("port = http", '[server:main] port: "http" is not a whole number from 0 to 65535'),
        ("port = 65536", '[server:main] port: "65536" is not a whole number from 0 to 65535'),
        ("host = a b", "[server:main] host: is not an address to listen at; write it like 127.0.0.1"),
    ],
)
def test_a_wrong_address_is_told(mistakes: Callable[..., list[str]], server: str, told: str) -> None:
    assert mistakes(server=server) == [told]


def test_every_mistake_is_told_at_once_and_no_secret_with_it(mistakes: Callable[..., list[str]]) -> None:
    lines = ["influxdb.port = x", "influxdb.token = very secret", "influxdb.bucket = b", "stats_service.workers = y"]
    told = mistakes(*lines, server="port = z")
    assert len(told) == 4
    assert "[app:main] influxdb.token: is empty, or holds blanks or signs that are not ASCII" in told
    assert not any("very secret" in line for line in told)


def test_a_secret_that_is_given_twice_or_cannot_be_read_is_one_mistake(mistakes: Callable[..., list[str]]) -> None:
    (twice,) = mistakes("influxdb.password = a", "influxdb.password_file = b")
    assert twice == "[app:main] influxdb.password: is given, and influxdb.password_file too: keep one of them"
    (missing,) = mistakes("influxdb.token_file = nowhere", "influxdb.bucket = b")
    assert missing.startswith("[app:main] influxdb.token_file: ")
    assert missing.endswith("nowhere does not exist")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "[app:main]: is missing: the file needs this section"),
        ("[server:main]\nport = 1\n", "[app:main]: is missing: the file needs this section"),
        ("influxdb.password = open sesame\n", "comes before the first [section]"),
        ("[app:main]\ninfluxdb.password open sesame\n", "is neither [section] nor key = value"),
        ("[app:main\nx = 1\n", "comes before the first [section]"),
    ],
)
def test_a_file_that_is_malformed_is_told_in_one_line_without_what_is_in_it(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "stats.ini"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_settings(path, environ={})
    (line,) = caught.value.lines
    assert line.startswith(f"{path}:")
    assert line.endswith(told)
    assert "sesame" not in line


def test_a_line_that_cannot_be_parsed_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "stats.ini"
    path.write_text("[app:main]\na = 1\nb\nc\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(path, environ={})
    what = "is neither [section] nor key = value"
    assert caught.value.lines == (f"{path}:3: {what}", f"{path}:4: {what}")


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "stats.ini"
    with pytest.raises(ConfigError, match=r"stats\.ini: does not exist$"):
        read_settings(path, environ={})
    path.write_bytes(b"[app:main]\n\xff\n")
    with pytest.raises(ConfigError, match=r"stats\.ini:2: is not UTF-8 text$"):
        read_settings(path, environ={})


def test_a_state_directory_that_is_named_is_made_for_the_service_alone(read: Read, tmp_path: Path) -> None:
    settings = read("stats_service.state_dir = var/state")
    assert settings.state_dir == tmp_path / "var" / "state"
    assert settings.state_dir.stat().st_mode & 0o777 == 0o700
    settings = read(STATE_DIR=str(tmp_path / "other" / "state"))
    assert settings.state_dir == tmp_path / "other" / "state"
    assert settings.state_dir.is_dir()


def test_without_a_state_directory_the_cache_directory_serves_and_is_made(tmp_path: Path) -> None:
    path = write(tmp_path)
    cache = tmp_path / "cache"
    environ = {"CACHE_DIR": str(cache), **PAIR}
    assert read_settings(path, environ=environ, finder=finder(tmp_path, **environ)).state_dir == cache
    assert cache.is_dir()


def test_a_state_directory_of_the_installation_is_found(tmp_path: Path) -> None:
    path = write(tmp_path)
    installed = tmp_path / "var" / "lib" / "stats-service"
    installed.mkdir(parents=True)
    assert read_settings(path, environ=PAIR, finder=finder(tmp_path)).state_dir == installed


def test_nothing_is_made_where_a_file_is_only_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, "stats_service.state_dir = state")
    assert read_settings(path, environ=PAIR, make_directories=False).state_dir == tmp_path / "state"
    assert [found.name for found in tmp_path.iterdir()] == ["stats.ini"]


@pytest.mark.parametrize("make_directories", [True, False])
def test_a_state_directory_that_is_a_file_is_told(tmp_path: Path, *, make_directories: bool) -> None:
    path = write(tmp_path, "stats_service.state_dir = stats.ini")
    with pytest.raises(ConfigError, match=r"\[app:main\] stats_service\.state_dir: .*stats\.ini is not a directory"):
        read_settings(path, environ=PAIR, make_directories=make_directories)


def test_a_variable_that_names_a_directory_which_cannot_be_made_is_told(
    mistakes: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert mistakes(STATE_DIR=f"{tmp_path}/stats.ini/x") == [
        f"STATE_DIR: {tmp_path}/stats.ini/x cannot be made: Not a directory"
    ]


def test_a_directory_that_was_passed_over_is_a_warning(tmp_path: Path) -> None:
    environ = {"STATE_DIRECTORY": str(tmp_path / "gone"), "CACHE_DIR": str(tmp_path), **PAIR}
    settings = read_settings(write(tmp_path), environ=environ, finder=finder(tmp_path, **environ))
    assert settings.warnings == (f"passed over STATE_DIRECTORY={tmp_path / 'gone'}: no such directory",)


def test_every_key_and_variable_is_documented(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    original = ObjectReader.value

    def value(reader: ObjectReader, key: str) -> object:
        asked.add(key)
        return original(reader, key)

    monkeypatch.setattr(ObjectReader, "value", value)
    read("influxdb.db = d", "kafka.brokers = a:1", "kafka.topic = events")
    assert {"port", "group", "stats_service.tags", "influxdb.token_file"} <= asked
    text = PAGE.read_text()
    variables = {TABLE_VARIABLE, TOKEN_VARIABLE, SECRET_VARIABLE, "STATE_DIR", "CACHE_DIR", "CREDENTIALS_DIRECTORY"}
    inner = {"brokers", "topic", "group"}
    wanted = {f"kafka.{key}" if key in inner else key for key in asked} | variables
    assert [word for word in sorted(wanted) if not re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.]*\w)", text)] == []


def test_the_shipped_example_keeps_events_itself_and_has_few_tags(tmp_path: Path) -> None:
    settings = read_settings(EXAMPLE, environ={"STATE_DIR": str(tmp_path)})
    assert (settings.influxdb, settings.kafka, settings.warnings) == (None, None, ())
    assert (settings.tags.keys, settings.identities) == ({"event", "app_node"}, EXAMPLE.parent / "access.json")


@pytest.mark.parametrize("commented", ["influxdb.host", "influxdb.url", "kafka.brokers"])
def test_what_the_shipped_example_has_in_comments_is_of_use_too(tmp_path: Path, commented: str) -> None:
    for name in ("influxdb-password", "influxdb-token"):
        (tmp_path / name).write_text("open-sesame")
    blocks = EXAMPLE.read_text().split("\n\n")
    chosen = [block.replace("\n# ", "\n") if f"# {commented} " in block else block for block in blocks]
    path = tmp_path / "stats.ini"
    path.write_text("\n\n".join(chosen))
    settings = read_settings(path, environ={"STATE_DIR": str(tmp_path), **PAIR})
    assert (settings.influxdb is None) == (settings.kafka is not None)
    assert settings.warnings == ()
