"""What config.ini may say, and how mistakes in it are told."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from importer.credentials import redact
from importer.errors import ConfigError
from importer.http_client import HttpClients
from importer.leexport.config import Configuration, ConfigurationReader
from importer.leexport.outlet import PluginOutlet, QueuedOutlet
from importer.sinks.push_client import push_client
from tests.commands import ROOT
from tests.leexport.answers import GOLDEN

SEARCH = """
    [[{name}]]
        [[[query]]]
            logs = a96d464b
            query_period = 60
            query_range = 300
            statement = where(x) calculate(count)
        [[[destination]]]
            {destination}
"""
LE = "[LE]\n    rw_api_key = read-write\n"
SERVICES = "[Services]\n[[geckoboard]]\napi_key = gecko-key\n[[hosted_graphite]]\napi_key = graphite-key\n"
NUMBER = "service = geckoboard\nwidget_type = number_stat\npush_url = http://127.0.0.1/v1/send/a"


def reader(path: Path, **environ: str) -> ConfigurationReader:
    return ConfigurationReader(path, state=path.parent, clients=HttpClients(push_client), environ=environ)


def read(path: Path, **environ: str) -> Configuration:
    return reader(path, **environ).read()


def write(folder: Path, *destinations: str, head: str = LE + SERVICES) -> Path:
    path = folder / "config.ini"
    searches = "".join(SEARCH.format(name=f"s{number}", destination=text) for number, text in enumerate(destinations))
    path.write_text(f"{head}[Searches]\n{searches}")
    return path


def problems(path: Path) -> list[str]:
    """Return what is wrong with the searches, without the file's name."""
    return [str(problem).removeprefix(f"{path}: ") for problem in read(path).problems]


def fatal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value).replace(str(path), "FILE")


def test_the_old_example_has_five_searches_and_no_mistake() -> None:
    configuration = read(GOLDEN / "config.ini")
    assert configuration.problems == ()
    assert [(search.name, search.destination.service, search.period_seconds) for search in configuration.searches] == [
        ("Requests per minute", "geckoboard", 60),
        ("Status codes", "geckoboard", 300),
        ("Total today", "geckoboard", 900),
        ("Graphite", "hosted_graphite", 60),
        ("Queue", "kafka", 60),
    ]
    assert configuration.account.url == "https://rest.logentries.com"
    assert configuration.account.key.reveal() == "0f1e2d3c-rw-example"


def test_the_new_keys_are_read() -> None:
    configuration = read(GOLDEN / "config_new_keys.ini")
    assert configuration.problems == ()
    assert configuration.account.url == "https://eu.rest.logs.insight.rapid7.com"
    dataset, carbon = configuration.searches
    assert dataset.query.statement == "where(status>=500) groupby(host, path)"
    assert len(dataset.query.logs) == 2
    assert carbon.outlet.sink.lane == "hosted_graphite: Carbon"  # type: ignore[union-attr]


def test_the_shipped_example_has_no_mistake() -> None:
    assert read(ROOT / "etc" / "leexportpy" / "config.ini").problems == ()


def test_a_file_that_does_not_parse_is_told_with_its_line() -> None:
    assert fatal(GOLDEN / "config_broken_section.ini").startswith("FILE:3: ")


def test_wrong_searches_are_told_with_every_mistake() -> None:
    path = GOLDEN / "config_bad_values.ini"
    configuration = read(path)
    assert configuration.searches == ()
    first, *others = map(str, configuration.problems)
    assert first.startswith(f"{path}: [Searches] [[No period]] query_period: is missing")
    assert [other.removeprefix(f"{path}: [Searches] [[Range in words]] ")[:24] for other in others] == [
        'query_range: "one hour" ',
        "service: unknown service",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "FILE: [LE]: is missing"),
        ("[LE]\n[Searches]\n", "FILE: [LE]: no usable key: set rw_api_key"),
        ("[LE]\nrw_api_key = ''\nro_api_key =\n[Searches]\n", "FILE: [LE]: no usable key: set rw_api_key"),
        (LE, "FILE: [Searches]: is missing"),
        (f"{LE}[Searches]\n", "FILE: [Searches]: holds no search"),
        (f"{LE}[Searches]\na = b\n", "FILE: [Searches]: holds no search"),
        (f"{LE}region = mars\n[Searches]\n[[a]]\n", "FILE: [LE] region: "),
        (f"{LE}url = ftp://x\n[Searches]\n[[a]]\n", "FILE: [LE] url: "),
        (f"{LE}a = 1\na = 2\n", "FILE:4: this key or section was given before"),
        ("[LE]\nrw_api_key_file = nowhere\n[Searches]\n[[a]]\n", "FILE: [LE] rw_api_key_file: "),
    ],
)
def test_a_file_that_is_of_no_use_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.ini"
    path.write_text(text)
    assert fatal(path).startswith(told)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert fatal(tmp_path / "none.ini") == "FILE: does not exist"


@pytest.mark.parametrize(
    ("destination", "told"),
    [
        ("service = nosuch", "[Searches] [[s0]] service: unknown service nosuch"),
        ("push_url = x", "[Searches] [[s0]] service: is missing"),
        (NUMBER.replace("number_stat", "cube"), '[Searches] [[s0]] widget_type: "cube" is not one of line_chart,'),
        (NUMBER.replace("http://", "htp://"), "[Searches] [[s0]] push_url: "),
        (f"{NUMBER}#part", "[Searches] [[s0]] push_url: an address must not hold a '#'"),
        (
            "service = dummy\npush_url = https://h/?a=b#part",
            "[Searches] [[s0]] push_url: an address must not hold a '#'",
        ),
        (
            "service = hosted_graphite\nmetric_name = a\npush_url = tcp://h#part",
            "[Searches] [[s0]] push_url: is not like",
        ),
        (
            "service = influxdb\nmetric_name = a\ndatabase = b\nurl = http://h#part",
            "[Searches] [[s0]] url: an address must",
        ),
        ("service = geckoboard\nwidget_type = line_chart", "[Searches] [[s0]] push_url: is missing"),
        ("service = geckoboard\nwidget_type = dataset", "[Searches] [[s0]] dataset: is missing"),
        ("service = geckoboard\nwidget_type = dataset\ndataset = A B", "[Searches] [[s0]] dataset: "),
        ("service = hosted_graphite\npush_url = http://h/", "[Searches] [[s0]] metric_name: is missing"),
        ("service = hosted_graphite\nmetric_name = a\npush_url = x://h", "[Searches] [[s0]] push_url: "),
        ("service = hosted_graphite\nmetric_name = a b\npush_url = tcp://h", "[Searches] [[s0]] metric_name: must not"),
        ("service = kafka\ntopic = t", "[Searches] [[s0]] brokers: "),
        ("service = kafka\nbrokers = b:1", "[Searches] [[s0]] topic: is missing"),
        ("service = sqlite", "[Searches] [[s0]] metric_name: is missing"),
        ("service = graphite\nmetric_name = a", "[Searches] [[s0]] host: is missing"),
        ("service = dummy\npush_url = nonsense:", "[Searches] [[s0]] push_url: "),
    ],
)
def test_a_wrong_destination_is_told_by_its_key_and_costs_its_search_alone(
    tmp_path: Path, destination: str, told: str
) -> None:
    path = write(tmp_path, destination, NUMBER)
    found = problems(path)
    assert found[0].startswith(told)
    assert [search.name for search in read(path).searches] == ["s1"]


@pytest.mark.parametrize("service", ["geckoboard", "hosted_graphite"])
def test_a_service_without_its_key_is_told(tmp_path: Path, service: str) -> None:
    destination = f"service = {service}\nwidget_type = number_stat\nmetric_name = a\npush_url = http://127.0.0.1/"
    (told,) = problems(write(tmp_path, destination, head=LE))
    assert f"[Services] [[{service}]]" in told


@pytest.mark.parametrize("key", ["logs", "query_period", "query_range", "statement"])
def test_every_key_of_a_query_is_needed(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, NUMBER)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.strip().startswith(f"{key} =")))
    (told,) = problems(path)
    assert told.startswith(f"[Searches] [[s0]] {key}: ")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "one", "60, 70"])
@pytest.mark.parametrize("key", ["query_period", "query_range"])
def test_periods_and_ranges_are_whole_seconds(tmp_path: Path, key: str, value: str) -> None:
    path = write(tmp_path, NUMBER)
    text = path.read_text()
    old = "60" if key == "query_period" else "300"
    path.write_text(text.replace(f"{key} = {old}", f"{key} = {value}"))
    (told,) = problems(path)
    assert told.startswith(f"[Searches] [[s0]] {key}: ")


@pytest.mark.parametrize("section", ["query", "destination"])
def test_a_search_without_one_of_its_sections_is_told(tmp_path: Path, section: str) -> None:
    path = write(tmp_path, NUMBER)
    path.write_text(path.read_text().replace(f"[[[{section}]]]", f"[[[{section}s]]]"))
    assert f"[Searches] [[s0]] [[[{section}]]]: is missing: a search needs this section" in problems(path)


def test_keys_that_nobody_reads_are_no_mistake(tmp_path: Path) -> None:
    path = write(tmp_path, f"{NUMBER}\nfor_me = 1", head=f"mine = 2\n{LE}also = 3\n{SERVICES}[Others]\nx = y\n")
    assert problems(path) == []


def test_names_are_filled_in_from_the_enclosing_sections(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER.replace("127.0.0.1", "%(host)s"), head=f"host = 127.0.0.9\n{LE}{SERVICES}")
    (search,) = read(path).searches
    assert search.destination.keys["push_url"] == "http://127.0.0.9/v1/send/a"


def test_a_name_that_cannot_be_filled_in_costs_its_search_alone(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER.replace("127.0.0.1", "%(nowhere)s"), NUMBER)
    assert [search.name for search in read(path).searches] == ["s1"]
    assert "nowhere" in problems(path)[0]


def test_keys_in_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "le.key").write_text("from-a-file\n")
    (tmp_path / "gecko.key").write_text("gecko-from-a-file\n")
    services = "[Services]\n[[geckoboard]]\napi_key_file = gecko.key\n"
    path = write(tmp_path, NUMBER, head=f"[LE]\nro_api_key_file = le.key\n{services}")
    configuration = read(path)
    assert configuration.account.key.reveal() == "from-a-file"
    (search,) = configuration.searches
    assert search.destination.api_key is not None
    assert search.destination.api_key.reveal() == "gecko-from-a-file"


def test_brokers_may_be_quoted_or_a_list(tmp_path: Path) -> None:
    quoted = 'service = kafka\ntopic = t\nbrokers = "a:9092,b:9092"'
    plain = "service = kafka\ntopic = t\nbrokers = a:9092, b:9092"
    typographic = "service = kafka\ntopic = t\nbrokers = “a:9092,b:9092”"
    path = write(tmp_path, quoted, plain, typographic)
    assert problems(path) == []
    assert len(read(path).searches) == 3


def test_a_users_service_is_found_beside_the_file_and_by_the_environment(tmp_path: Path) -> None:
    for folder, name in (("beside", "one"), ("elsewhere", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}_service.py").write_text(f"class {name.capitalize()}Service:\n    pass\n")
    path = write(tmp_path, "service = one\nanything = 1", "service = two", head=f"services_dir = beside\n{LE}")
    configuration = read(path, LEEXPORTPY_SERVICES=f"{tmp_path / 'elsewhere'}:")
    assert [type(search.outlet) for search in configuration.searches] == [PluginOutlet, PluginOutlet]


def test_a_users_service_wins_over_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "dummy_service.py").write_text("class DummyService:\n    mine = True\n")
    path = write(tmp_path, "service = dummy", head=f"services_dir = .\n{LE}")
    (search,) = read(path).searches
    assert isinstance(search.outlet, PluginOutlet)
    assert hasattr(search.outlet.service_class, "mine")


def test_searches_that_push_points_share_the_lane_of_their_store(tmp_path: Path) -> None:
    path = write(tmp_path, "service = sqlite\nmetric_name = a", "service = sqlite\nmetric_name = b")
    lanes = [search.outlet.sink.lane for search in read(path).searches if isinstance(search.outlet, QueuedOutlet)]
    assert lanes[0] == lanes[1]


def test_an_unchanged_search_stays_the_same_and_a_changed_one_does_not(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER, NUMBER, NUMBER)
    again = reader(path)
    first = again.read().searches
    path.write_text(
        path.read_text().replace("query_period = 60", "query_period = 61", 1).replace("[[s2]]", "[[other]]")
    )
    second = again.read().searches
    assert second[0] is not first[0]
    assert second[1] is first[1]
    assert second[2].name == "other"


def test_a_changed_key_changes_the_searches_that_use_it(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER, "service = sqlite\nmetric_name = a")
    again = reader(path)
    first = again.read().searches
    path.write_text(path.read_text().replace("gecko-key", "other-key"))
    second = again.read().searches
    assert (second[0] is first[0], second[1] is first[1]) == (False, True)


@pytest.mark.parametrize("folders", ["~nobody-of-this-name/services", "one, ~nobody-of-this-name", "%(nowhere)s"])
def test_a_folder_of_services_that_cannot_be_named_is_told_and_the_searches_stay(tmp_path: Path, folders: str) -> None:
    path = write(tmp_path, NUMBER, head=f"services_dir = {folders}\n{LE}{SERVICES}")
    (told,) = problems(path)
    assert told.startswith("services_dir: ")
    assert [search.name for search in read(path).searches] == ["s0"]


def test_a_folder_of_services_that_becomes_wrong_costs_no_search(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    again = reader(path)
    (first,) = again.read().searches
    path.write_text(f"services_dir = ~nobody-of-this-name\n{path.read_text()}")
    assert again.read().searches == (first,)


def test_values_for_all_searches_are_no_search(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER.replace("127.0.0.1", "%(host)s"))
    path.write_text(path.read_text().replace("[Searches]\n", "[Searches]\n[[DEFAULT]]\nhost = 127.0.0.9\n"))
    configuration = read(path)
    assert configuration.problems == ()
    (search,) = configuration.searches
    assert (search.name, search.destination.keys["push_url"]) == ("s0", "http://127.0.0.9/v1/send/a")


def test_values_for_searches_without_a_search_are_a_file_of_no_use(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(f"{path.read_text()}[[DEFAULT]]\nhost = 127.0.0.9\n")
    assert fatal(path).startswith("FILE: [Searches]: holds no search")


def test_a_search_may_have_the_name_default(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER)
    path.write_text(path.read_text().replace("[[s0]]", "[[DEFAULT]]"))
    assert [search.name for search in read(path).searches] == ["DEFAULT"]
    path.write_text(path.read_text().replace("[[[query]]]", "[[[inquiry]]]"))
    assert "[Searches] [[DEFAULT]] [[[query]]]: is missing: a search needs this section" in problems(path)


def test_searches_of_one_name_are_one_mistake(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER, NUMBER, NUMBER)
    path.write_text(path.read_text().replace("[[s2]]", "[[s0]]"))
    line = path.read_text().splitlines().index("    [[s0]]", 10) + 1
    assert fatal(path) == f"FILE:{line}: this key or section was given before"


def test_after_a_search_of_a_name_given_before_other_mistakes_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, NUMBER, NUMBER, NUMBER)
    path.write_text(path.read_text().replace("[[s1]]", "[[s0]]") + "[[s0]]\n[Others]\na = 1\na = 2\n")
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "keys",
    [
        "[LE]\nrw_api_key = read-write\nro_api_key = {}",
        "[LE]\nrw_api_key = read-write\nmy_key = a, {}",
        "[LE]\nrw_api_key = read-write\nx_api_key_file = unused.key",
        "[LE]\nrw_api_key = read-write\n[Services]\n[[nobody]]\napi_key = {}",
        "[LE]\nrw_api_key = read-write\n[Services]\n[[nobody]]\nPassword = {}",
        "[LE]\nrw_api_key = read-write\n[Services]\n[[nobody]]\n[[[within]]]\ntoken = {}",
        "[LE]\nrw_api_key = read-write\n[Services]\n[[nobody]]\napi_key_file = unused.key",
        "[Services]\n[[nobody]]\napi_key = {}",
    ],
)
def test_keys_are_masked_whether_or_not_a_search_uses_them(tmp_path: Path, keys: str) -> None:
    key = f"unused-{uuid4()}"
    (tmp_path / "unused.key").write_text(f"{key}\n")
    path = write(tmp_path, "service = dummy", head=f"{keys.format(key)}\n")
    assert redact(key) == key
    with suppress(ConfigError):  # of the last one, which has no key to the query API
        read(path)
    assert redact(f"<{key}>") == "<***>"


def test_keys_that_cannot_be_read_and_nobody_uses_are_no_mistake(tmp_path: Path) -> None:
    services = "[Services]\n[[nobody]]\napi_key_file = nowhere\n[[someone]]\napi_key = %(nowhere)s\n"
    assert problems(write(tmp_path, "service = dummy", head=LE + services)) == []


def test_addresses_are_not_masked(tmp_path: Path) -> None:
    read(write(tmp_path, "service = dummy", head=f"{LE}url = https://logs.example.org\nregion = eu\n"))
    assert redact("https://logs.example.org") == "https://logs.example.org"


def test_no_message_holds_a_key(tmp_path: Path) -> None:
    path = write(tmp_path, "service = nosuch", NUMBER.replace("number_stat", "cube"))
    assert "gecko-key" not in " ".join(problems(path))
