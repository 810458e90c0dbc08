"""cton as its users run it: started, scraped, reloaded, stopped, and told off."""

import json
import re
import signal
from collections.abc import Iterator

import pytest

from importer.errors import ExitCode
from tests.commands import Commands
from tests.exporter.site import Site, answer, samples, scraped
from tests.http_servers import Answer, book_server
from tests.servers.process import wait_until

LOG_LINE = re.compile(r"\d{4}/\d\d/\d\d\|\d\d:\d\d:\d\d\|DATA-COLLECTION\|[A-Z]+ *\|\S.*")
WAIT_SECONDS = 15.0


@pytest.fixture
def site(commands: Commands) -> Iterator[Site]:
    with book_server(answer({"orders": 410, "depth": 17})) as vendor:
        yield Site(commands, vendor)


def await_sample(port: int, name: str, value: float) -> dict[str, float]:
    """Return the samples of a port once one of them has a value."""
    found: dict[str, float] = {}

    def is_there() -> bool:
        nonlocal found
        try:
            found = samples(scraped(port))
        except OSError:
            return False
        return found.get(name) == value

    wait_until(is_there, lambda: f"{name} is not {value}: {found}", deadline_seconds=WAIT_SECONDS)
    return found


def test_a_class_and_a_service_without_one_are_shown_each_on_its_port(site: Site) -> None:
    shop, stock = site.shop(), site.plain()
    with site.running("--all") as running:
        found = await_sample(shop, 'collectington_up{service="shop"}', 1)
        assert found["orders_total"] == 410
        assert found["queue_depth"] == 17
        assert "stock" not in found
        found = await_sample(stock, 'collectington_up{service="stock"}', 1)
        assert found["stock"] == 17
        assert "queue_depth" not in found
        ended = running.stop()
    assert ended.code == ExitCode.OK
    assert ended.stdout == []
    assert all(LOG_LINE.fullmatch(line) for line in ended.stderr)


def test_the_lines_of_a_start_are_those_of_collectington_in_their_order(site: Site) -> None:
    port = site.shop()
    with site.running("-s", "shop") as running:
        await_sample(port, "queue_depth", 17)
        told = [line.partition("|INFO    |")[2] for line in running.stop().stderr]
    assert told[:4] == [
        f"Reading config from {site.config}",
        "Setting up Service: shop",
        "Generating Prometheus Metric Instances",
        f"Setting up HTTP Server - PORT: {port}",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_in_the_middle_of_a_wait(site: Site, number: signal.Signals) -> None:
    site.top["api_call_intervals"] = 3600
    port = site.shop()
    with site.running("-s", "shop") as running:
        await_sample(port, "queue_depth", 17)
        assert running.stop(number).code == ExitCode.OK


def test_once_prints_nothing_but_the_exposition_whatever_a_class_prints(site: Site) -> None:
    site.shop()
    module = site.commands.home / "shop_api.py"
    module.write_text(f"print('loaded')\n{module.read_text()}".replace("return", "print('asked'); return"))
    result = site.once("-s", "shop")
    assert result.code == ExitCode.OK
    assert result.stdout.endswith("\n")
    assert samples(result.stdout)["orders_total"] == 410
    assert samples(result.stdout)['collectington_up{service="shop"}'] == 1
    assert "loaded" in result.stderr
    assert "asked" in result.stderr


def test_once_of_a_service_that_fails_prints_what_there_is_and_ends_with_1(site: Site) -> None:
    site.shop()
    site.plain(api_url="http://127.0.0.1:9/stock")
    result = site.once("-s", "shop", "-s", "stock")
    found = samples(result.stdout)
    assert result.code == ExitCode.FAILED
    assert found['collectington_up{service="shop"}'] == 1
    assert found["queue_depth"] == 17
    assert found['collectington_up{service="stock"}'] == 0
    assert "stock" not in found


def test_a_port_that_is_taken_is_no_matter_to_once_and_the_end_of_a_service(site: Site) -> None:
    site.shop(port=site.vendor.port)
    assert site.once("-s", "shop").code == ExitCode.OK
    result = site.commands.run("cton", "-s", "shop", "-c", site.config)
    assert result.code == ExitCode.FAILED
    assert str(site.vendor.port) in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_the_vendor_that_goes_wrong_leaves_the_last_good_figures_and_a_service_that_is_down(site: Site) -> None:
    port = site.shop()
    with site.running("-s", "shop") as running:
        await_sample(port, 'collectington_up{service="shop"}', 1)
        site.vendor.answers[:] = [Answer(500, b"<html>no</html>")]
        found = await_sample(port, 'collectington_up{service="shop"}', 0)
        assert found["queue_depth"] == 17
        assert found["orders_total"] == 410
        site.vendor.answers[:] = [answer({"orders": 455, "depth": 3})]
        found = await_sample(port, 'collectington_up{service="shop"}', 1)
        assert (found["queue_depth"], found["orders_total"]) == (3, 455)
        assert found['collectington_poll_failures_total{service="shop"}'] >= 1
        told = running.errors("HTTP 500")
    assert len(told) == 1


def test_a_reload_keeps_what_has_not_changed_and_takes_what_has(site: Site) -> None:
    shop, stock = site.shop(), site.plain()
    with site.running("--all") as running:
        await_sample(shop, "orders_total", 410)
        await_sample(stock, "stock", 17)
        site.vendor.answers[:] = [answer({"orders": 500, "depth": 4})]
        moved = site.plain(metrics=[{"name": "boxes", "path": "$.depth"}])
        added = site.plain("extra")
        site.write()
        running.reload()
        assert await_sample(moved, "boxes", 4).get("stock") is None
        await_sample(added, "stock", 4)
        await_sample(shop, "orders_total", 500)  # a new instance would have begun with 500, and its counter at 410
        with pytest.raises(OSError):
            scraped(stock)
        assert len(running.errors("Setting up Service: shop")) == 1


def test_a_reload_of_a_broken_file_is_told_in_one_line_and_all_goes_on(site: Site) -> None:
    port = site.shop()
    with site.running("-s", "shop") as running:
        await_sample(port, "orders_total", 410)
        site.config.write_text('{"services":\n  nothing}')
        running.reload("not read again")
        site.vendor.answers[:] = [answer({"orders": 411, "depth": 4})]
        await_sample(port, "orders_total", 411)
        assert len(running.errors("not read again")) == 1


def test_a_reload_that_takes_away_a_service_frees_its_port(site: Site) -> None:
    shop, stock = site.shop(), site.plain()
    with site.running("--all") as running:
        await_sample(shop, "orders_total", 410)
        await_sample(stock, "stock", 17)
        del site.services["stock"]
        site.write()
        running.reload()
        with pytest.raises(OSError):
            scraped(stock)
        await_sample(shop, "orders_total", 410)


def test_a_reload_that_fails_at_the_outbox_leaves_every_page_as_it_was(site: Site) -> None:
    stock, gone = site.plain(), site.plain("gone")
    with site.running("--all") as running:
        await_sample(stock, "stock", 17)
        await_sample(gone, "stock", 17)
        (site.commands.state_dir / "cton.outbox").mkdir()  # no file can be there
        added = site.plain("added")
        site.services["stock"]["metrics"] = [{"name": "boxes", "path": "$.depth"}]
        del site.services["gone"]
        site.top["destinations"] = [{"protocol": "file", "path": str(site.commands.home / "pushed.jsonl")}]
        site.write()
        running.reload("not read again")
        assert samples(scraped(stock))["stock"] == 17
        assert samples(scraped(gone))["stock"] == 17
        with pytest.raises(OSError):
            scraped(added)


def test_a_reload_may_move_a_port_to_another_address_and_back(site: Site) -> None:
    port = site.plain()
    with site.running("--all") as running:
        await_sample(port, "stock", 17)
        for more in ({"address": "127.0.0.1"}, {"address": "0.0.0.0"}, {}):
            site.plain(port=port, **more)
            site.write()
            running.reload()
            await_sample(port, "stock", 17)


def test_a_reload_to_an_address_that_cannot_be_had_keeps_the_one_before(site: Site) -> None:
    port = site.plain()
    with site.running("--all") as running:
        await_sample(port, "stock", 17)
        site.plain(port=port, address="127.0.0.1")
        site.plain("other", address="192.0.2.1")
        site.write()
        running.reload("not read again")
        await_sample(port, "stock", 17)


def test_what_is_polled_is_pushed_too_and_waits_while_nobody_takes_it(site: Site) -> None:
    site.shop()
    site.plain()
    site.top["destinations"] = [{"protocol": "file", "path": str(site.commands.home / "pushed.jsonl")}]
    assert site.once("--all").code == ExitCode.OK
    rows = [json.loads(line) for line in (site.commands.home / "pushed.jsonl").read_text().splitlines()]
    names = {json.dumps(row) for row in rows}
    assert any("orders_total" in name and "410" in name for name in names)
    assert any("collectington_up" in name for name in names)
    assert not any("_created" in name for name in names)


@pytest.mark.parametrize(("level", "is_told"), [("INFO", False), ("DEBUG", True)])
def test_each_delivery_is_told_to_those_who_look_closer_alone(site: Site, level: str, *, is_told: bool) -> None:
    site.plain()
    site.top |= {"log_level": level, "destinations": [{"protocol": "file", "path": str(site.commands.home / "out")}]}
    result = site.once("--all")
    assert result.code == ExitCode.OK
    assert ("metrics sent" in result.stderr) == is_told


def test_without_destinations_nothing_is_kept_on_disk(site: Site) -> None:
    site.shop()
    assert site.once("-s", "shop").code == ExitCode.OK
    assert list(site.commands.state_dir.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("-s", "shop"), ("-c", "config.json"), ("-x",), ("--all", "-s", "shop", "-c", "config.json")],
)
def test_a_wrong_command_line_shows_the_usage_and_ends_with_2(site: Site, arguments: tuple[str, ...]) -> None:
    result = site.commands.run("cton", *arguments)
    assert result.code == ExitCode.USAGE
    assert "-s SERVICE" in result.stderr.splitlines()[0]
    assert "-c CONFIG" in result.stderr.splitlines()[0]


def run_with(site: Site, **top: object) -> tuple[int, str]:
    """Run the service shop by a changed file; return the code and the last line of standard error."""
    site.top |= top
    result = site.commands.run("cton", "-s", "shop", "-c", site.write())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.code, result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"api_url": None}, "api_url"),
        ({"prometheus_metrics_mapping": {"guage": ["a"]}}, 'unknown type "guage"'),
        ({"prometheus_metrics_mapping": {"gauge": ["a"], "counter": ["a"]}}, "a"),
        ({"prometheus_metrics_mapping": {"gauge": "a"}}, "gauge"),
        ({"port": "80"}, "port"),
        ({"port": 70000}, "port"),
        ({"port": True}, "port"),
        ({"api_call_intervals": 0}, "api_call_intervals"),
        ({"api_call_intervals": True}, "api_call_intervals"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": 1e300}, "timeout: 1e+300 seconds are more than 1000000"),
        ({"address": "localhost"}, "address"),
        ({"service_module": "no_such_module"}, "no_such_module"),
        ({"service_class": "NoSuchClass"}, "shop_api has no class NoSuchClass"),
        ({"web": {"tls": {}}}, "web"),
    ],
)
def test_a_mistake_in_a_service_is_told_in_one_line_with_its_key(
    site: Site, keys: dict[str, object], told: str
) -> None:
    site.shop(**keys)
    site.services["shop"] = {key: value for key, value in site.services["shop"].items() if value is not None}
    code, line = run_with(site)
    assert code == ExitCode.CONFIG
    assert "shop" in line
    assert told in line


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"api_call_intervals": 0}, "api_call_intervals"),
        ({"api_call_intervals": "2"}, "api_call_intervals"),
        ({"api_call_intervals": True}, "api_call_intervals"),
        ({"log_level": "LOUD"}, "log_level must be one of"),
        ({"port": "8000"}, "port"),
        ({"destinations": []}, "destinations"),
        ({"destinations": [{"protocol": "carrier pigeon"}]}, "destinations[1]"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line_with_its_key(site: Site, top: dict[str, object], told: str) -> None:
    site.shop()
    code, line = run_with(site, **top)
    assert code == ExitCode.CONFIG
    assert told in line


def test_a_service_that_the_file_does_not_have_is_told_with_those_that_it_has(site: Site) -> None:
    site.shop()
    result = site.commands.run("cton", "-s", "nosuch", "-c", site.write())
    assert result.code == ExitCode.CONFIG
    assert 'no service "nosuch" in config.json (there are: shop)' in result.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"services": {}}', "\xff"])
def test_a_file_that_is_none_is_told_in_one_line(site: Site, text: str) -> None:
    site.config.write_bytes(text.encode("latin-1"))
    result = site.commands.run("cton", "--all", "-c", site.config)
    assert result.code == ExitCode.CONFIG
    assert "config.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_services_cannot_share_a_port(site: Site) -> None:
    port = site.shop()
    site.plain(port=port)
    result = site.commands.run("cton", "--all", "-c", site.write())
    assert result.code == ExitCode.CONFIG
    assert "services.stock.port" in result.stderr


def test_one_address_cannot_share_a_port_with_all_addresses(site: Site) -> None:
    port = site.shop()
    site.plain(port=port, address="127.0.0.1")
    result = site.commands.run("cton", "--all", "-c", site.write())
    assert result.code == ExitCode.CONFIG
    assert f"services.stock.port: {port} is the port of services.shop, too" in result.stderr


def test_the_port_of_the_first_releases_is_that_of_services_without_one(site: Site) -> None:
    port = site.shop()
    site.top["port"] = site.services["shop"].pop("port")
    with site.running("-s", "shop"):
        await_sample(port, "queue_depth", 17)


def test_an_exception_in_a_class_is_told_with_its_place_and_ends_with_1(site: Site) -> None:
    site.shop()
    module = site.commands.home / "shop_api.py"
    module.write_text(module.read_text().replace('self.service_name = "shop"', "self.service_name = 1 / 0"))
    code, line = run_with(site)
    assert code == ExitCode.FAILED
    assert "shop" in line
    assert "ZeroDivisionError" in line
    assert "shop_api.py:11" in line


def test_the_log_level_of_the_file_is_obeyed(site: Site) -> None:
    site.top["log_level"] = "ERROR"
    port = site.shop()
    with site.running("-s", "shop") as running:
        await_sample(port, "queue_depth", 17)
        told = running.stop().stderr
    assert [line for line in told if "Reading config" not in line] == []


def test_an_unknown_key_is_warned_of(site: Site) -> None:
    site.shop()
    site.top["apicall_intervals"] = 3
    assert "apicall_intervals: is not known" in site.once("-s", "shop").stderr


def test_check_finds_the_file_by_its_content_and_imports_no_class(site: Site) -> None:
    site.shop(service_module="no_such_module")
    result = site.commands.run("metrics-importer", "check", site.write())
    assert (result.code, result.stdout) == (ExitCode.OK, f"ok {site.config}\n")
    site.shop(api_url=7)
    result = site.commands.run("metrics-importer", "check", site.write())
    assert result.code == ExitCode.CONFIG
    assert "services.shop" in result.stderr


def test_the_module_of_collectington_is_the_command_too(site: Site) -> None:
    result = site.commands.run("cton", "--help")
    assert result.code == ExitCode.OK
    assert "--once" in result.stdout
