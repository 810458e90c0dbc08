"""From an entry of the configuration to a service: what is imported, made, shown, and told when that fails."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from importer.errors import ConfigError, ExitCode, ImporterError
from importer.exporter import log_format
from importer.exporter.user_class.loading import extend_search_path
from importer.exporter.user_class.service import ClassService, load_class_service
from tests.exporter.class_services import samples

Load = Callable[..., ClassService]

SHOP = """
from collectington.collectington_api import CollectingtonApi, register_metric, register_metric_class

@register_metric_class
class ShopApi(CollectingtonApi):
    def __init__(self):
        super().__init__()
        self.config = {"prometheus_metrics_mapping": {"gauge": ["depth", "width"]}}

    @register_metric("depth")
    def get_depth(self):
        return 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; what is imported from it is forgotten after the test."""
    import collectington

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(collectington, "__path__", [*collectington.__path__])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def load(folder: Path) -> Iterator[Load]:
    """`load(text, name="shop", ...)` writes the module shop_api and loads its service."""
    loaded: list[ClassService] = []

    def load(
        text: str | None = None, *, name: str = "shop", interval: float | None = None, **keys: str
    ) -> ClassService:
        if text is not None:
            (folder / "shop_api.py").write_text(text)
        extend_search_path(folder / "config.json")
        entry = {
            "service_module": "shop_api",
            "service_class": "ShopApi",
            "api_url": "http://127.0.0.1/api-reporting/v2/incidents",
            "prometheus_metrics_mapping": {"gauge": ["depth", "width"]},
            **keys,
        }
        loaded.append(load_class_service(name, entry, stop=threading.Event(), interval_seconds=interval))
        return loaded[-1]

    yield load
    for service in loaded:
        service.close()


def refusal(load: Load, text: str | None, **keys: str) -> ImporterError:
    with pytest.raises(ImporterError) as caught:
        load(text, **keys)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_class_is_made_and_polled_and_a_metric_without_a_method_is_told_once(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        service = load(SHOP)
        for _ in range(2):
            assert not service.poll().faults
    assert samples(service) == {"depth": 7}
    assert caplog.messages == [
        "Setting up Service: shop",
        "Generating Prometheus Metric Instances",
        'shop: width: no method has @register_metric("width")',
    ]
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "ERROR"]


def test_a_module_that_is_not_there_is_a_mistake_in_the_configuration(load: Load) -> None:
    error = refusal(load, None, service_module="no_such_module")
    assert str(error) == "services.shop: module no_such_module: No module named 'no_such_module'"
    assert error.exit_code == ExitCode.CONFIG


@pytest.mark.parametrize("module", ["shop_api.more", "nothing.shop_api", ".shop_api", "", "shop api"])
def test_a_name_of_a_module_that_leads_nowhere_is_too(load: Load, module: str) -> None:
    error = refusal(load, SHOP, service_module=module)
    assert error.exit_code == ExitCode.CONFIG
    assert f"services.shop: module {module or repr('')}" in str(error).replace("'.shop_api'", ".shop_api")


@pytest.mark.parametrize("text", [SHOP, "NoSuchClass = 7"])
def test_a_class_that_is_not_there_is_a_mistake_in_the_configuration(load: Load, text: str) -> None:
    error = refusal(load, text, service_class="NoSuchClass")
    assert str(error) == "services.shop: module shop_api has no class NoSuchClass"
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nimport no_such_helper\n", "ModuleNotFoundError: No module named 'no_such_helper' (shop_api.py:2)"),
        ("\n\n1 / 0", "ZeroDivisionError: division by zero (shop_api.py:3)"),
        ("\ndef f(:\n", "(shop_api.py:2)"),
        ("import sys; sys.exit(3)", "SystemExit: 3 (shop_api.py:1)"),
    ],
)
def test_a_module_that_fails_by_itself_is_told_with_the_place(load: Load, text: str, told: str) -> None:
    error = refusal(load, text)
    assert error.exit_code == ExitCode.FAILED
    assert str(error).startswith("services.shop: module shop_api does not import: ")
    assert str(error).endswith(told)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("1 / 0", "services.shop: ShopApi() raised: ZeroDivisionError: division by zero (shop_api.py:7)"),
        ("self.read_data('http://127.0.0.1:9/?k=secret', {}, {})", "http://127.0.0.1:9/: connection refused"),
    ],
)
def test_what_a_class_raises_when_it_is_made_is_told_with_the_place(load: Load, wrong: str, told: str) -> None:
    error = refusal(load, SHOP.replace("super().__init__()", f"super().__init__(); {wrong}"))
    assert error.exit_code == ExitCode.FAILED
    assert told in str(error)
    assert "(shop_api.py:7)" in str(error)
    assert "secret" not in str(error)


def test_a_class_without_a_configuration_is_told_what_to_do(load: Load) -> None:
    error = refusal(load, SHOP.replace("self.config = ", "config = "))
    assert "its metrics cannot be made: TypeError: self.config is None; set it in __init__" in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SHOP.replace("super().__init__()", "pass"), "__init__ has not called super().__init__()"),
        (
            SHOP.replace("self.config = ", "self.config = {'services': {'shop': {}}} or "),
            "self.service_name is '', which self.config[\"services\"] does not have",
        ),
    ],
)
def test_a_class_without_what_its_metrics_are_made_of_is_told_what_is_missing(load: Load, text: str, told: str) -> None:
    error = refusal(load, text)
    assert error.exit_code == ExitCode.FAILED
    assert told in str(error)


def test_the_traceback_is_for_debugging_alone(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        refusal(load, "1 / 0")
    assert "Traceback" not in caplog.text
    with caplog.at_level(logging.DEBUG):
        refusal(load, "1 / 0")
    assert "Traceback" in caplog.text


def test_a_failure_leaves_nothing_in_the_default_registry(load: Load) -> None:
    before = list(REGISTRY._collector_to_names)
    refusal(load, "from prometheus_client import Gauge\nGauge('own', 'own')\n1 / 0")
    refusal(
        load, SHOP + "\n    def _init_p_method(self, make, name):\n        make(name, name)\n        return 1 / 0\n"
    )
    assert list(REGISTRY._collector_to_names) == before


def test_the_working_directory_comes_first_then_that_of_the_configuration_and_ours_wins_over_an_old_copy(
    folder: Path,
) -> None:
    beside = folder / "etc"
    for place in (folder, beside):
        (place / "collectington").mkdir(parents=True)
        (place / "collectington" / "config.py").write_text("1 / 0")
    (beside / "collectington" / "shop_api_of_old.py").write_text("place = 'inside'")
    (beside / "some_utils.py").write_text("place = 'beside'")
    (folder / "utils.py").write_text("place = 'here'")
    (beside / "utils.py").write_text("place = 'beside'")
    for _ in range(2):
        extend_search_path(beside / "config.json")
    assert sys.path[:2] == [str(folder), str(beside)]
    assert sys.path.count(str(folder)) == 1
    import collectington.config
    import collectington.shop_api_of_old  # type: ignore[import-not-found]
    import some_utils  # type: ignore[import-not-found]
    import utils  # type: ignore[import-not-found]

    assert (utils.place, some_utils.place, collectington.shop_api_of_old.place) == ("here", "beside", "inside")
    assert callable(collectington.config.get_config)
    del sys.modules["utils"]


def test_what_a_class_registers_by_itself_is_shown_at_each_of_its_services(load: Load) -> None:
    text = SHOP.replace("super().__init__()", 'super().__init__(); Gauge("own", "by the instance").set(3)')
    text = f"from prometheus_client import Gauge\nGauge('shared', 'by the module').set(1)\n{text}"
    one, other = load(text), load(name="other")
    for service in (one, other):
        service.poll()
        assert samples(service) == {"depth": 7, "own": 3, "shared": 1}


def test_what_is_registered_in_the_middle_of_a_poll_is_shown_too(load: Load) -> None:
    text = SHOP.replace("return 7", 'from prometheus_client import Gauge; Gauge("late", "late").set(2); return 7')
    service = load(text)
    try:
        service.poll()
        assert samples(service) == {"depth": 7, "late": 2}
    finally:
        REGISTRY.unregister(REGISTRY._names_to_collectors["late"])


def test_a_collector_of_the_users_that_fails_costs_the_others_nothing(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    text = "from prometheus_client import REGISTRY\nclass Own:\n    def collect(self):\n        return 1 / 0\n"
    text += SHOP.replace("super().__init__()", "super().__init__(); self.own = Own(); REGISTRY.register(self.own)")
    text = text.replace(
        "        return 1 / 0", "        raise ZeroDivisionError\n    def describe(self):\n        return []"
    )
    service = load(text)
    service.poll()
    for _ in range(2):
        assert samples(service) == {"depth": 7}
    assert caplog.messages.count("a collector of the user's cannot be asked: ZeroDivisionError (shop_api.py:4)") == 1


BROKEN = """
class Broken:
    def collect(self):
        raise RuntimeError("broken")
    def set(self, value):
        pass
"""


HANDED_OVER = "\n    def call_prometheus_metrics(self, values, instances):\n        instances[0].set(values['depth'])\n"


@pytest.mark.parametrize("handing_over", ["", HANDED_OVER])
def test_a_metric_that_cannot_be_collected_costs_the_others_nothing(load: Load, handing_over: str) -> None:
    making = "lambda name, _: Broken() if name == 'width' else Gauge(name, name)"
    making = f"super().__init__(); self.prometheus_metrics_mapping['gauge'] = {making}"
    text = SHOP.replace("super().__init__()", making) + handing_over
    service = load(f"from prometheus_client import Gauge\n{BROKEN}{text}")
    assert not service.poll().faults
    assert samples(service) == {"depth": 7}


def test_a_collector_whose_labels_are_no_text_costs_the_others_nothing(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    own = "from prometheus_client import REGISTRY\nfrom prometheus_client.core import GaugeMetricFamily\nclass Own:\n"
    own += "    def collect(self):\n        family = GaugeMetricFamily('own', 'own', labels=['site'])\n"
    own += "        family.add_metric([1], 3)\n        return [family]\n    def describe(self):\n        return []\n"
    service = load(own + SHOP.replace("super().__init__()", "super().__init__(); REGISTRY.register(Own())"))
    service.poll()
    for _ in range(2):
        assert samples(service) == {"depth": 7}
    assert len([message for message in caplog.messages if "own, of a collector of the user's" in message]) == 1


@pytest.mark.parametrize("error", ["asyncio.CancelledError", "BaseException", "SystemExit"])
def test_whatever_a_method_raises_is_a_fault_of_its_metric(load: Load, error: str) -> None:
    service = load("import asyncio\n" + SHOP.replace("return 7", f"raise {error}"))
    (fault,) = service.poll().faults
    assert fault.metric == "depth"


@pytest.mark.parametrize("given", ["None", "7", "()"])
def test_a_class_that_gives_no_service_is_told(load: Load, given: str) -> None:
    error = refusal(load, f"def ShopApi():\n    return {given}\n")
    assert error.exit_code == ExitCode.FAILED
    assert "services.shop: ShopApi() gives" in str(error)


def test_a_class_that_derives_from_nothing_will_do(load: Load) -> None:
    service = load(
        "from prometheus_client import Gauge\n"
        "class ShopApi:\n"
        "    def generate_prometheus_metric_instances(self):\n        return [Gauge('depth', 'depth')]\n"
        "    def get_metric(self, metric):\n        return {'depth': 7}.get(metric)\n"
        "    def call_prometheus_metrics(self, values, instances):\n        instances[0].set(values['depth'])\n"
    )
    assert not service.poll().faults
    assert samples(service) == {"depth": 7}


@pytest.mark.parametrize(("cache", "interval", "warned"), [(60, 2, False), (30, 2, True), (30, 60, False)])
def test_asking_more_often_than_the_vendor_lets_us_is_warned_of(
    load: Load, caplog: pytest.LogCaptureFixture, cache: int, interval: int, *, warned: bool
) -> None:
    load(
        SHOP.replace("super().__init__()", f"super().__init__(); self.data_store_expiration_sec = {cache}"),
        interval=interval,
    )
    assert any("answers once a minute" in message for message in caplog.messages) == warned


def test_records_of_both_loggers_come_out_once_in_the_old_form(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        log_format.attach()
        log_format.attach("WARNING")
        user = log_format.setup_logging()
        user.info("too low")
        user.warning("a\nb")
        logging.getLogger("importer.exporter").error("ours")
        log_format.set_level("NOTSET")
        user.debug("low enough")
    finally:
        log_format.detach()
    lines = [line.split("|", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        r"DATA-COLLECTION|WARNING |a\nb",
        "DATA-COLLECTION|ERROR   |ours",
        "DATA-COLLECTION|DEBUG   |low enough",
    ]
