"""The pages of the vendors name every key that is read, and every metric."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from importer.collector import gcloud_entrypoint, pingdom_entrypoint, piwik_entrypoint, piwik_realtime_entrypoint
from importer.collector.piwik_entrypoint import Fetcher
from importer.collector.webtrends_key_metrics_entrypoint import Collector as KeyMetrics
from importer.collector.webtrends_reports_entrypoint import Collector as Reports
from importer.collector.webtrends_reports_entrypoint import V2Parser
from importer.config import ObjectReader
from importer.errors import ConfigError
from importer.sources.pingdom.checks import METRICS
from importer.sources.pingdom.config import load_settings
from importer.sources.pingdom.source import HOUR_METRICS
from tests.collector.vendor_world import DATA_SET
from tests.commands import ROOT

Entry = Callable[..., object]
NOTHING: Mapping[str, object] = {}


def page(name: str) -> str:
    return (ROOT / "docs" / "systems" / f"{name}.rst").read_text()


def named(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


@pytest.fixture
def asked_keys(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The keys that any configuration object has been asked for."""
    asked: set[str] = set()
    original = ObjectReader.value

    def value(reader: ObjectReader, key: str) -> object:
        asked.add(key)
        return original(reader, key)

    monkeypatch.setattr(ObjectReader, "value", value)
    return asked


@pytest.mark.parametrize(
    ("name", "read", "some"),
    [
        ("pingdom", lambda: pingdom_entrypoint.Pingdom(NOTHING), {"app_key_file", "account_email", "url"}),
        ("pingdom", lambda: pingdom_entrypoint.main(NOTHING, DATA_SET, NOTHING, NOTHING, None, None), {"name"}),
        ("piwik", lambda: Fetcher({"url": "a", "token_auth": "t0ken"}, NOTHING, None, None), {"site_id", "frequency"}),
        ("piwik", lambda: piwik_entrypoint.Parser(NOTHING, NOTHING, "t"), {"mappings"}),
        (
            "piwik",
            lambda: piwik_realtime_entrypoint.Fetcher({"url": "a", "token_auth": "t0ken"}, NOTHING),
            {"minutes", "token_auth_file"},
        ),
        ("webtrends", lambda: KeyMetrics(NOTHING, NOTHING, None, None), {"keymetrics_url", "api_version"}),
        (
            "webtrends",
            lambda: Reports({"reports_url": "a", "user": "b", "password": "c0de"}, NOTHING, None, None),
            {"report_id", "password_file"},
        ),
        (
            "gcloud",
            lambda: gcloud_entrypoint.main(NOTHING, DATA_SET, {"lots": {"a": "b"}}, NOTHING, None, None),
            {"csv_url", "columns"},
        ),
    ],
)
def test_every_key_is_on_the_vendor_s_page(name: str, read: Entry, some: set[str], asked_keys: set[str]) -> None:
    with suppress(ConfigError):  # what is missing is told; by then all keys were asked for
        read()
    assert some <= asked_keys
    general = {"dataType", "idMapping", "additionalFields", "plugins"}  # of every collection
    assert [key for key in sorted(asked_keys - general) if not named(key, page(name))] == []


def test_the_name_of_a_report_s_rows_is_documented(asked_keys: set[str]) -> None:
    with pytest.raises(ConfigError):
        V2Parser(NOTHING, "t")
    assert "row_type_name" in asked_keys
    assert named("row_type_name", page("webtrends"))


def test_every_key_of_pingdom_json_is_documented(asked_keys: set[str], tmp_path: Path) -> None:
    path = tmp_path / "pingdom.json"
    path.write_text('{"token": "t0ken"}')
    load_settings(path)
    keys = asked_keys - {"password_file", "appkey_file"}
    assert [key for key in sorted(keys) if not named(key, page("pingdom"))] == []


@pytest.mark.parametrize("metric", [*METRICS, *(".".join(path) for path in HOUR_METRICS.values())])
def test_every_metric_of_pingdom_is_documented(metric: str) -> None:
    assert f"\n``{metric}``" in page("pingdom")
