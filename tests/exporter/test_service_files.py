"""services.d: services of cton file by file, beside config.json."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import ConfigError, ExitCode
from importer.exporter.config import Configuration, read_configuration
from importer.exporter.plain_config import get_config
from tests.commands import Commands
from tests.exporter.site import Site, answer
from tests.exporter.test_cton_command import await_sample
from tests.http_servers import book_server

TOP = {"api_call_intervals": 10}
METRICS = [{"name": "stock", "path": "$.depth"}]


def entry(port: int, **keys: object) -> dict[str, object]:
    return {"port": port, "api_url": "http://127.0.0.1:9/stock", "metrics": METRICS, **keys}


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(folder: Path) -> Configuration:
    return read_configuration(folder / "config.json", None, state=lambda: folder)


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_services_of_drop_ins_come_after_those_of_the_file_by_name(tmp_path: Path) -> None:
    write(tmp_path, "config.json", {**TOP, "services": {"a": entry(1)}})
    write(tmp_path, "services.d/20.json", {"c": entry(3), "d": entry(4)})
    write(tmp_path, "services.d/10.json", {"b": entry(2)})
    write(tmp_path, "services.d/30.json.bak", "not looked at")
    found = read(tmp_path)
    assert [(service.name, service.port, service.interval_seconds) for service in found.services] == [
        ("a", 1, 10),
        ("b", 2, 10),
        ("c", 3, 10),
        ("d", 4, 10),
    ]
    assert found.warnings == ()


def test_the_file_itself_need_have_no_service(tmp_path: Path) -> None:
    write(tmp_path, "config.json", TOP)
    write(tmp_path, "services.d/10.json", {"b": entry(2)})
    assert [service.name for service in read(tmp_path).services] == ["b"]


def test_an_empty_directory_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "config.json", TOP)
    (tmp_path / "services.d").mkdir()
    assert problems(tmp_path) == ["config.json: services is missing; an object with at least one service is expected"]


def test_a_service_that_is_named_twice_is_told_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, "config.json", {**TOP, "services": {"a": entry(1)}})
    write(tmp_path, "services.d/10.json", {"a": entry(2), "b": entry(3)})
    write(tmp_path, "services.d/20.json", {"b": entry(4)})
    assert problems(tmp_path) == [
        "services.d/10.json: a: is in config.json, too; give one of them another name",
        "services.d/20.json: b: is in services.d/10.json, too; give one of them another name",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "must be an object with at least one service: its name, and what it is"),
        ({}, "must be an object with at least one service: its name, and what it is"),
        ({"b": []}, "b: must be an object, not a list"),
        ({"b": {**entry(2), "port": 0}}, "b.port: must be a number from 1 to 65535"),
        ({"b": entry(1)}, "b.port: 1 is the port of services.a in config.json, too; give each its own"),
        ({"b": {"metrics": METRICS, "port": 2}}, "b.api_url: is missing; text is expected"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_the_key_in_it(tmp_path: Path, content: object, told: str) -> None:
    write(tmp_path, "config.json", {**TOP, "services": {"a": entry(1)}})
    write(tmp_path, "services.d/10.json", content)
    assert problems(tmp_path) == [f"services.d/10.json: {told}"]


def test_a_warning_names_the_file_too(tmp_path: Path) -> None:
    write(tmp_path, "config.json", TOP)
    path = write(tmp_path, "services.d/10.json", {"b": entry(2, colour="red")})
    assert [str(warning) for warning in read(tmp_path).warnings] == [f"{path}: b.colour: is not known, and passed over"]


def test_the_configuration_that_a_class_reads_has_the_services_of_drop_ins(tmp_path: Path) -> None:
    path = write(tmp_path, "config.json", {**TOP, "services": {"a": entry(1)}})
    write(tmp_path, "services.d/10.json", {"b": entry(2)})
    assert list(get_config(path)["services"]) == ["a", "b"]


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    with book_server(answer({"orders": 410, "depth": 17})) as vendor:
        yield Site(commands, vendor)


def drop_in(site: Site, name: str) -> Path:
    """Move the site's services into a drop-in."""
    path = write(site.commands.home, f"services.d/{name}", site.services)
    site.services.clear()
    return path


def test_services_of_drop_ins_with_a_class_and_without_are_shown(site: Site) -> None:
    shop, stock = site.shop(), site.plain()
    drop_in(site, "all.json")
    with site.running("--all") as running:
        await_sample(shop, "orders_total", 410)
        await_sample(stock, "stock", 17)
        assert running.stop().code == ExitCode.OK


def test_one_service_of_a_drop_in_can_be_chosen(site: Site) -> None:
    site.plain("stock")
    site.plain("other")
    drop_in(site, "all.json")
    result = site.once("-s", "stock")
    assert result.code == 0, result.stderr
    assert "stock 17" in result.stdout
    assert site.once("-s", "none").code == 78


def test_a_secret_lies_beside_the_drop_in_that_names_it(site: Site) -> None:
    site.plain(bearer_token_file="token")
    path = drop_in(site, "stock.json")
    result = site.once("--all")
    assert result.code == 78
    assert f"{path}: stock.bearer_token_file: {path.parent / 'token'} does not exist" in result.stderr
    (path.parent / "token").write_text("hush-hush")
    assert site.once("--all").code == 0
    assert site.vendor.seen[-1].headers["Authorization"] == "Bearer hush-hush"


def test_a_reload_sees_drop_ins_that_come_and_change_and_go(site: Site) -> None:
    kept = site.plain("kept")
    with site.running("--all") as running:
        await_sample(kept, "stock", 17)
        site.services.clear()
        stock = site.plain()
        path = drop_in(site, "stock.json")
        running.reload("configuration read again: services=2")
        await_sample(stock, "stock", 17)
        site.plain(port=stock, metrics=[{"name": "boxes", "path": "$.depth"}])
        drop_in(site, "stock.json")
        running.reload("configuration read again: services=2")
        await_sample(stock, "boxes", 17)
        path.unlink()
        running.reload("configuration read again: services=1")
        path.write_text("{")
        running.reload(f"not read again, the old one goes on: {path}:1: is not JSON")
        await_sample(kept, "stock", 17)
        assert running.stop().code == ExitCode.OK
