"""What becomes of the values of a class: kinds of metrics, labels, what is no value, and what goes wrong."""

import logging
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Enum, Gauge, Histogram, Summary

from importer.exporter.base import FaultKind
from importer.exporter.user_class.api import AbstractApi, CollectingtonApi
from importer.exporter.user_class.exceptions import UnsupportedPrometheusInstance
from importer.exporter.user_class.poll import process_request
from tests.exporter.class_services import api_with, made, polled, samples

ALL = {"counter": ["orders"], "gauge": ["depth"], "summary": ["wait"], "histogram": ["size"]}
TEAMS = {"depth": ["team", "stack"]}


def entry(team: str, stack: str, value: object) -> dict[str, object]:
    return {"team": team, "stack": stack, "metric_value": value}


def test_the_attributes_are_there_after_init() -> None:
    api = CollectingtonApi()
    assert (api.data_store, api.data_store_expiration_sec, api.config) == ({}, 60, None)
    assert (api.headers, api.params, api.name_of_datastore, api.api_url, api.service_name) == ({}, {}, "", "", "")
    assert api.prometheus_metrics_mapping == {
        "counter": Counter,
        "gauge": Gauge,
        "histogram": Histogram,
        "summary": Summary,
    }
    assert AbstractApi is CollectingtonApi


def test_every_poll_counts_observes_and_sets_again() -> None:
    with made(api_with(ALL), ALL) as service:
        polled(service, orders=2, depth=5, wait=30, size=0.3)
        found = polled(service, orders=3, depth=4, wait=10, size=0.2)
    assert found == {
        "orders_total": 5,
        "depth": 4,
        "wait_count": 2,
        "wait_sum": 40,
        "size_count": 2,
        "size_sum": 0.5,
    }


def test_a_metric_is_shown_from_its_first_value_on_and_none_changes_nothing() -> None:
    with made(api_with(ALL), ALL) as service:
        assert samples(service) == {}
        assert polled(service, depth=0) == {"depth": 0}
        assert polled(service, orders=0) == {"depth": 0, "orders_total": 0}
        assert polled(service) == {"depth": 0, "orders_total": 0}


def test_a_counter_may_have_its_suffix_in_its_name() -> None:
    mapping = {"counter": ["sales_total"]}
    with made(api_with(mapping), mapping) as service:
        assert polled(service, sales_total=410) == {"sales_total": 410}


@pytest.mark.parametrize("error", [KeyError("depth"), IndexError("list index out of range")])
def test_a_missing_key_is_no_value_and_is_warned_of_until_it_comes_back(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with made(api_with(ALL), ALL) as service:
        polled(service, depth=3)
        for depth in (error, error, 4, error):
            service.instance.values = {"depth": depth, "wait": 1}
            assert not service.poll().faults
        assert samples(service)["depth"] == 4
        assert samples(service)["wait_count"] == 4
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [f"depth: has no value: {type(error).__name__}: {error}"] * 2


@pytest.mark.parametrize(
    ("metric", "value", "kind", "reason"),
    [
        ("orders", -1, FaultKind.VALUE, "orders: -1 is below 0, and a counter only grows"),
        ("orders", "many", FaultKind.VALUE, "orders: 'many' is not a number"),
        ("orders", float("nan"), FaultKind.VALUE, "orders: nan cannot be counted on"),
        ("wait", "long", FaultKind.VALUE, "wait: 'long' is not a number"),
        ("wait", float("inf"), FaultKind.VALUE, "wait: inf cannot be counted on"),
        ("size", [1], FaultKind.VALUE, "size: [1] is not a number"),
        ("depth", "deep", FaultKind.VALUE, "depth: 'deep' is not a number"),
        ("depth", 10**400, FaultKind.VALUE, f"depth: {10**400!r:.80} is not a number"),
        ("depth", ZeroDivisionError("by zero"), FaultKind.CODE, "depth: ZeroDivisionError: by zero"),
        ("depth", SystemExit(3), FaultKind.CODE, "depth: SystemExit: 3"),
    ],
)
def test_what_goes_wrong_with_one_metric_is_told_and_costs_no_other(
    metric: str, value: object, kind: FaultKind, reason: str
) -> None:
    good = {"orders": 2, "depth": 5, "wait": 30, "size": 1}
    with made(api_with(ALL), ALL) as service:
        before = polled(service, **good)
        service.instance.values = {**good, metric: value}
        faults = service.poll().faults
        after = samples(service)
    assert [(fault.kind, fault.metric, fault.reason) for fault in faults] == [(kind, metric, reason)]
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if name != "depth" and not name.startswith(metric)
    }


def test_labelled_values_are_taken_a_label_set_at_a_time_and_gauges_lose_what_is_gone() -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        given = [entry("a", "prd", 123), {"stack": "sbx", "any": 34, "team": "a"}]
        assert polled(service, depth=given) == {
            'depth{stack="prd",team="a"}': 123,
            'depth{stack="sbx",team="a"}': 34,
        }
        assert given[1] == {"stack": "sbx", "any": 34, "team": "a"}
        assert polled(service, depth=[entry("a", "sbx", 1)]) == {'depth{stack="sbx",team="a"}': 1}
        assert polled(service) == {'depth{stack="sbx",team="a"}': 1}
        assert polled(service, depth=[]) == {}


def test_label_sets_that_a_class_has_removed_itself_are_no_fault() -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, {"depth": ["team"]}), mapping) as service:
        polled(service, depth=[{"team": "a", "value": 1}, {"team": "b", "value": 2}])
        (instance,) = service._instances
        instance.remove("a")
        service.instance.values = {"depth": [{"team": "b", "value": 3}]}
        assert not service.poll().faults
        assert samples(service) == {'depth{team="b"}': 3}


def test_labelled_counters_keep_what_is_gone() -> None:
    mapping = {"counter": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        polled(service, depth=[entry("a", "prd", 1), entry("b", "prd", 1)])
        assert polled(service, depth=[entry("a", "prd", 1)]) == {
            'depth_total{stack="prd",team="a"}': 2,
            'depth_total{stack="prd",team="b"}': 1,
        }


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"team": "b", "metric_value": 1}, "depth: an entry without the label 'stack' is left out"),
        ({"team": "b", "stack": "prd"}, "depth: the entry with team='b', stack='prd' has no value, and is left out"),
        ({"team": "b", "stack": "prd", "value": "x"}, "depth: 'x' is not a number"),
        (7, "depth: 7 is not an object of labels and a value; it is left out"),
    ],
)
def test_an_entry_of_no_use_is_told_and_the_others_are_taken(odd: object, reason: str) -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        service.instance.values = {"depth": [odd, entry("a", "prd", 1)]}
        assert [fault.reason for fault in service.poll().faults] == [reason]
        assert samples(service) == {'depth{stack="prd",team="a"}': 1}


def test_several_entries_of_no_use_are_one_fault_that_counts_them() -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        service.instance.values = {"depth": [1, 2, 3]}
        (fault,) = service.poll().faults
    assert fault.reason.endswith("(and so for 2 more)")


def test_a_label_set_without_a_value_stays_as_it_was() -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        polled(service, depth=[entry("a", "prd", 1)])
        service.instance.values = {"depth": [entry("a", "prd", None), entry("b", "prd", None)]}
        assert not service.poll().faults
        assert samples(service) == {'depth{stack="prd",team="a"}': 1}


@pytest.mark.parametrize("value", [5, "text", {"team": "a"}])
def test_a_labelled_metric_without_a_list_is_told(value: object) -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        service.instance.values = {"depth": value}
        (fault,) = service.poll().faults
        assert "is not a list of objects" in fault.reason
        assert samples(service) == {}


def test_a_label_set_that_is_twice_in_an_answer_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    mapping = {"gauge": ["depth"]}
    with made(api_with(mapping, TEAMS), mapping) as service:
        for _ in range(2):
            assert polled(service, depth=[entry("a", "prd", 1), entry("a", "prd", 2)]) == {
                'depth{stack="prd",team="a"}': 2
            }
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert told[0].startswith("depth: a label set is twice")


def test_what_is_no_metric_of_the_four_kinds_is_refused() -> None:
    states = Enum("state", "state", states=["a"], registry=None)
    with pytest.raises(UnsupportedPrometheusInstance):
        CollectingtonApi._update_metric(states, 1)


def test_partials_and_functions_stand_in_the_place_of_the_classes() -> None:
    made_by: list[tuple[Any, ...]] = []

    def gauge(*arguments: Any) -> Gauge:
        made_by.append(arguments)
        return Gauge(f"{arguments[0]}_now", *arguments[1:])

    class Own(api_with(ALL)):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.prometheus_metrics_mapping |= {"histogram": partial(Histogram, buckets=(1, 2)), "gauge": gauge}

    with made(Own, ALL) as service:
        found = polled(service, depth=7, size=1.5)
        buckets = [
            sample.series.text.strip()
            for family in service.families()
            for sample in family.samples
            if "_bucket" in sample.series.text
        ]
    assert made_by == [("depth", "depth")]
    assert found == {"depth_now": 7, "size_count": 1, "size_sum": 1.5}
    assert buckets == ['size_bucket{le="1.0"}', 'size_bucket{le="2.0"}', 'size_bucket{le="+Inf"}']


def test_overridden_methods_are_called_through_the_instance() -> None:
    class Own(CollectingtonApi):
        """Has no configuration and no marks."""

        def generate_prometheus_metric_instances(self) -> list[Any]:
            return [Gauge("depth", "depth"), Counter("orders_total", "orders")]

        def get_metric(self, metric: str) -> Any:
            return {"depth": "7 boxes", "orders_total": "3 pieces"}[metric]

        @staticmethod
        def _update_metric(p_instance: Any, val: Any) -> None:
            CollectingtonApi._update_metric(p_instance, int(val.split()[0]))

    with made(Own, {"gauge": ["depth"], "counter": ["orders_total"]}) as service:
        assert not service.poll().faults
        assert samples(service) == {"depth": 7, "orders_total": 3}


def test_an_own_way_to_hand_values_over_shows_what_it_has_set() -> None:
    class Own(api_with(ALL)):  # type: ignore[misc]
        def call_prometheus_metrics(self, service_metric_dict: Any, list_of_metric_instances: Any) -> None:
            list_of_metric_instances[1].set(service_metric_dict["depth"])

    with made(Own, ALL) as service:
        assert polled(service, depth=0) == {"depth": 0}


def test_the_configuration_may_be_the_entry_alone() -> None:
    class Flat(api_with(ALL)):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.config = {"prometheus_metrics_mapping": {"gauge": ["depth"]}, "prometheus_metric_labels": TEAMS}

    with made(Flat, {"gauge": ["depth"]}) as service:
        assert polled(service, depth=[entry("a", "prd", 1)]) == {'depth{stack="prd",team="a"}': 1}


def test_the_old_runner_hands_over_and_logs_what_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    api = api_with(ALL)()
    api.values = {"depth": 7, "orders": -1}  # type: ignore[attr-defined]
    instances = [Counter("orders", "orders", registry=registry), Gauge("depth", "depth", registry=registry)]
    process_request(api, ["orders", "depth"], instances)
    assert registry.get_sample_value("depth") == 7
    assert caplog.messages == ["orders: -1 is below 0, and a counter only grows"]


def test_the_default_registry_is_left_as_it_was() -> None:
    before = list(REGISTRY._collector_to_names)
    with made(api_with(ALL), ALL) as one, made(api_with(ALL), ALL) as other:
        assert polled(one, depth=1) == {"depth": 1}
        assert polled(other, depth=2) == {"depth": 2}
        assert list(REGISTRY._collector_to_names) == before
