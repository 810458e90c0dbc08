"""The configuration as users' classes read it, and what is wrong with one."""

import json
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import pytest

from importer.exporter import plain_config
from importer.exporter.plain_config import (
    get_config,
    get_list_of_available_metrics,
    get_service,
    parse,
    problems_of,
    validate,
    validate_metrics_mapping,
    validate_service,
    validate_services,
)

GOLDEN = Path(__file__).parent / "golden"
GOOD = ["example", "key_order", "labels", "old_top_level_port", "plain", "two_services"]


def config_with(**service: object) -> dict[str, Any]:
    entry = {
        "service_class": "ShopApi",
        "service_module": "shop_api",
        "port": 8000,
        "api_url": "https://shop.example",
        "prometheus_metrics_mapping": {"gauge": ["depth"]},
        **service,
    }
    kept = {key: value for key, value in entry.items() if value is not ...}
    return {"api_call_intervals": 2, "log_level": "INFO", "services": {"shop": kept}}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_comes_back_as_it_is(name: str) -> None:
    path = GOLDEN / f"config_{name}.json"
    config = get_config(path)
    assert type(config) is dict
    assert config == json.loads(path.read_text())
    assert list(config) == list(json.loads(path.read_text()))


def test_text_that_is_not_json_is_told_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(JSONDecodeError, match="line 3"):
        get_config(GOLDEN / "config_malformed.json")
    assert caplog.messages[0].startswith("Failed to parse config file: ")


def test_what_is_no_text_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TypeError):
        parse(None)  # type: ignore[arg-type]
    assert caplog.messages[0].startswith("Failed to parse config file: ")


def test_the_metrics_come_in_the_order_of_the_file() -> None:
    config = {"services": {"shop": {"prometheus_metrics_mapping": {"gauge": ["c", "a"], "counter": ["b"]}}}}
    assert get_list_of_available_metrics(config, "shop") == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("service", "mistake"),
    [
        ({"api_url": ...}, ("services.shop", "api_url is missing")),
        ({"service_class": ...}, ("services.shop", "service_class is missing")),
        ({"service_module": 7}, ("services.shop.service_module", "must be a text that is not empty")),
        ({"prometheus_metrics_mapping": ...}, ("services.shop", "prometheus_metrics_mapping is missing")),
        (
            {"prometheus_metrics_mapping": []},
            ("services.shop.prometheus_metrics_mapping", "must be an object of metric types, not a list"),
        ),
        (
            {"prometheus_metrics_mapping": {"meter": ["a"]}},
            ("services.shop.prometheus_metrics_mapping", 'unknown type "meter" (counter, gauge, summary, histogram)'),
        ),
        (
            {"prometheus_metrics_mapping": {"gauge": "a"}},
            ("services.shop.prometheus_metrics_mapping.gauge", "must be a list of names"),
        ),
        (
            {"prometheus_metrics_mapping": {"gauge": ["a", "b"], "counter": ["a"]}},
            (
                "services.shop.prometheus_metrics_mapping",
                '"a" is there 2 times; each metric has one name, and one type',
            ),
        ),
        (
            {"prometheus_metric_labels": {"depth": "team"}},
            ("services.shop.prometheus_metric_labels.depth", "must be a list of labels"),
        ),
        (
            {"prometheus_metric_labels": 1},
            ("services.shop.prometheus_metric_labels", "must be an object of metrics and their labels, not a number"),
        ),
        (
            {"api_url": ["a"], "prometheus_metrics_mapping": {}},
            ("services.shop.api_url", "must be a text that is not empty"),
        ),
        ({"port": 0}, ("services.shop.port", "must be a number from 1 to 65535")),
        ({"port": True}, ("services.shop.port", "must be a number from 1 to 65535")),
        ({"api_call_intervals": 0}, ("services.shop.api_call_intervals", "must be a number of seconds above 0")),
    ],
)
def test_a_mistake_in_a_service_is_told_with_its_key(service: dict[str, object], mistake: tuple[str, str]) -> None:
    config = config_with(**service)
    assert list(problems_of(config)) == [mistake]
    for check in (
        lambda: validate(config),
        lambda: validate_services(config["services"]),
        lambda: validate_service("shop", config["services"]["shop"]),
    ):
        with pytest.raises(ValueError) as caught:
            check()
        assert str(caught.value) == ": ".join(mistake)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"api_call_intervals": ...}, "api_call_intervals is missing"),
        ({"api_call_intervals": True}, "api_call_intervals: must be a number"),
        ({"api_call_intervals": "2"}, "api_call_intervals: must be a number"),
        ({"api_call_intervals": float("inf")}, "api_call_intervals: must be a number"),
        ({"log_level": "LOUD"}, "log_level must be one of CRITICAL, ERROR"),
        ({"log_level": ["INFO"]}, "log_level must be one of"),
        ({"services": ...}, "services is missing"),
        ({"services": {}}, "services: must be an object with at least one service"),
        ({"services": []}, "services: must be an object with at least one service"),
        ({"services": {"shop": 7}}, "services.shop: must be an object, not a number"),
        ({"port": "8000"}, "port: must be a number from 1 to 65535"),
    ],
)
def test_a_mistake_in_the_file_is_told(change: dict[str, object], told: str) -> None:
    config = {key: value for key, value in {**config_with(), **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=f"^{told}"):
        validate(config)


@pytest.mark.parametrize("config", [None, [], 7, "text"])
def test_what_is_no_object_is_told(config: object) -> None:
    with pytest.raises(ValueError, match="must be an object"):
        validate(config)


@pytest.mark.parametrize("change", [{"api_call_intervals": 0.5}, {"log_level": ...}, {"comment": 1}, {"port": 8000}])
def test_what_was_refused_without_need_is_taken(change: dict[str, object]) -> None:
    validate({key: value for key, value in {**config_with(), **change}.items() if value is not ...})


def test_a_service_without_a_class_is_left_to_others() -> None:
    validate_service("stock", {"metrics": [], "api_url": 7})


def test_a_mapping_can_be_checked_alone() -> None:
    validate_metrics_mapping("shop", {"gauge": ["a"], "histogram": []})
    with pytest.raises(ValueError, match=r"services\.shop\.prometheus_metrics_mapping: unknown type"):
        validate_metrics_mapping("shop", {"meter": []})


def test_a_service_is_a_new_instance_of_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_shop_api.py").write_text("class ShopApi:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = config_with(service_module="a_shop_api")
    one, other = get_service(config, "shop"), get_service(config, "shop")
    assert type(one).__name__ == "ShopApi"
    assert one is not other
    with pytest.raises(ModuleNotFoundError):
        get_service(config_with(service_module="no_such_module"), "shop")


def test_the_decoder_is_that_of_json() -> None:
    assert plain_config.DECODER.decode("[1]") == [1]
