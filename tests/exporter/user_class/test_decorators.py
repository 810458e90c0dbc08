"""Marks of metrics, and running totals that become steps."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from importer.exporter.user_class.api import CollectingtonApi
from importer.exporter.user_class.decorators import enable_delta_metric, register_metric, register_metric_class
from importer.exporter.user_class.exceptions import BadValue
from tests.exporter.class_services import made, samples

LABELS = {"prometheus_metric_labels": {"sold": ["team", "stack"]}}


class Counted(CollectingtonApi):
    """Gives what stands in `script`, one value a call."""

    def __init__(self, *script: object) -> None:
        super().__init__()
        self.script = list(script)
        self.calls = 0
        self.config = {"prometheus_metrics_mapping": {"counter": ["sold"]}}

    def next(self) -> Any:
        self.calls += 1
        value = self.script.pop(0)
        if isinstance(value, Exception):
            raise value
        return value


@register_metric_class
class DeltaInside(Counted):
    @register_metric("sold")
    @enable_delta_metric
    def get_sold(self) -> Any:
        """Say how many were sold."""
        return self.next()


@register_metric_class
class DeltaOutside(Counted):
    @enable_delta_metric
    @register_metric("sold")
    def get_sold(self) -> Any:
        """Say how many were sold."""
        return self.next()


def steps(api: Counted, count: int) -> list[object]:
    return [api.get_metric("sold") for _ in range(count)]


@pytest.mark.parametrize("cls", [DeltaInside, DeltaOutside])
def test_a_total_becomes_steps_by_one_call_each_in_either_order_of_the_decorators(cls: type[Counted]) -> None:
    api = cls(410, 455, 455)
    assert steps(api, 3) == [410, 45, 0]
    assert api.calls == 3
    method: Any = cls.get_sold  # type: ignore[attr-defined]
    assert (method.__name__, method.__doc__) == ("get_sold", "Say how many were sold.")
    assert cls._metric_registry == {"sold": "get_sold"}
    assert cls._delta_metric_registry == {"previous_get_sold": 0}


def test_a_total_that_falls_has_begun_anew_and_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    api = DeltaInside(455, 20, 33)
    assert steps(api, 3) == [455, 20, 13]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["sold: has fallen from 455 to 20: taken as begun anew"]


@pytest.mark.parametrize("gap", [None, KeyError("sold"), IndexError("no item")])
def test_what_gives_nothing_leaves_the_memory(gap: object) -> None:
    assert steps(DeltaInside(410, gap, 455), 3) == [410, None, 45]


def test_an_exception_leaves_the_memory() -> None:
    api = DeltaInside(410, ValueError("down"), 455)
    assert api.get_metric("sold") == 410
    with pytest.raises(ValueError, match="down"):
        api.get_metric("sold")
    assert api.get_metric("sold") == 45


@pytest.mark.parametrize("odd", ["many", {"sold": 1}, float("nan"), float("inf")])
def test_what_is_no_number_is_refused_and_leaves_the_memory(odd: object) -> None:
    api = DeltaInside(410, odd, 455)
    assert api.get_metric("sold") == 410
    with pytest.raises(BadValue):
        api.get_metric("sold")
    assert api.get_metric("sold") == 45


def test_each_instance_has_a_memory_that_begins_with_the_tables_of_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = DeltaInside(410, 411), DeltaInside(7)
    assert (one.get_metric("sold"), other.get_metric("sold"), one.get_metric("sold")) == (410, 7, 1)
    monkeypatch.setattr(DeltaInside, "_delta_metric_registry", {"previous_get_sold": 400})
    assert DeltaInside(410).get_metric("sold") == 10


def entry(team: str, stack: str, sold: object) -> dict[str, object]:
    return {"team": team, "stack": stack, "sold": sold}


def test_labelled_totals_are_compared_by_label_set_and_keep_their_memory_while_absent() -> None:
    first = [entry("blue", "prd", 5)]
    api = DeltaInside(first, [entry("blue", "prd", 8), entry("green", "prd", 1)], [], [entry("blue", "prd", 9)])
    api.config = LABELS
    assert [[each["sold"] for each in given] for given in steps(api, 4)] == [[5], [3, 1], [], [1]]  # type: ignore[attr-defined]
    assert first == [entry("blue", "prd", 5)]


def test_entries_of_no_use_are_handed_on_and_labels_without_a_configuration_are_those_of_text() -> None:
    odd: list[object] = [7, {"team": "a"}, {"team": "a", "sold": "many"}]
    api = DeltaInside([*odd, {"team": "b", "sold": 3}], [{"sold": 5, "team": "b"}])
    assert steps(api, 2) == [[*odd, {"team": "b", "sold": 3}], [{"sold": 2, "team": "b"}]]


def test_numbers_of_other_kinds_are_numbers_unless_they_are_endless() -> None:
    api = DeltaInside(Decimal("1.5"), Decimal("4"), 10**400)
    assert steps(api, 2) == [1.5, 2.5]
    with pytest.raises(BadValue):
        api.get_metric("sold")


def test_a_value_that_the_metric_did_not_take_comes_again_with_the_next_poll() -> None:
    class Stumbling(DeltaInside):
        fails = False

        def _update_metric(self, p_instance: Any, val: Any) -> None:  # type: ignore[override]
            if self.fails:
                raise RuntimeError("not today")
            p_instance.inc(val)

    with made(lambda: Stumbling(410, 455, 460), {"counter": ["sold"]}) as service:  # type: ignore[arg-type]
        service.poll()
        service.instance.fails = True
        assert [fault.reason for fault in service.poll().faults] == ["sold: RuntimeError: not today"]
        service.instance.fails = False
        assert not service.poll().faults
        assert samples(service) == {"sold_total": 460}


def test_of_a_labelled_metric_only_what_was_not_taken_comes_again() -> None:
    class Picky(DeltaInside):
        def _update_metric(self, p_instance: Any, val: Any) -> None:  # type: ignore[override]
            if val == 13:
                raise RuntimeError("13")
            p_instance.inc(val)

    script = [[entry("a", "prd", 13), entry("b", "prd", 2)], [entry("a", "prd", 14), entry("b", "prd", 5)]]

    def make() -> Picky:
        api = Picky(*script)
        api.config |= LABELS
        return api

    with made(make, {"counter": ["sold"]}) as service:  # type: ignore[arg-type]
        assert [fault.metric for fault in service.poll().faults] == ["sold"]
        assert samples(service) == {'sold_total{stack="prd",team="b"}': 2}
        service.poll()
        assert samples(service) == {'sold_total{stack="prd",team="a"}': 14, 'sold_total{stack="prd",team="b"}': 5}


def test_an_own_way_to_hand_values_over_that_fails_loses_nothing_and_counts_nothing_twice() -> None:
    class Own(DeltaInside):
        stumbles = ""

        def call_prometheus_metrics(self, service_metric_dict: Any, list_of_metric_instances: Any) -> None:
            for instance in list_of_metric_instances:
                if self.stumbles == "before":
                    raise RuntimeError("before")
                instance.inc(service_metric_dict["sold"])
                if self.stumbles == "after":
                    raise RuntimeError("after")

    with made(lambda: Own(410, 455, 460, 470), {"counter": ["sold"]}) as service:  # type: ignore[arg-type]
        for stumbles, shown in [("", 410), ("before", 410), ("after", 460), ("", 470)]:
            service.instance.stumbles = stumbles
            assert bool(service.poll().faults) == bool(stumbles)
            assert samples(service) == {"sold_total": shown}


def test_every_name_of_a_method_is_registered_and_has_all_of_the_total() -> None:
    @register_metric_class
    class Twice(Counted):
        @register_metric("sold", "sold_again")
        @enable_delta_metric
        def get_sold(self) -> Any:
            return self.next()

    api = Twice(410, 410, 455, 455)
    assert [api.get_metric(name) for name in ("sold", "sold_again") * 2] == [410, 410, 45, 45]


def test_inherited_methods_are_registered_and_overriding_one_without_a_mark_works() -> None:
    @register_metric_class
    class Below(DeltaInside):
        @register_metric("depth")
        def get_depth(self) -> int:
            return 3

    class Undecorated(Below):
        def get_depth(self) -> int:
            return 4

    assert Below._metric_registry == {"sold": "get_sold", "depth": "get_depth"}
    assert Undecorated(1).get_metric("depth") == 4
    assert Undecorated(1).get_metric("sold") == 1


def test_a_mark_is_seen_through_a_wrapper_of_the_users_own() -> None:
    method: Callable[..., Any] = register_metric("sold", "other")(lambda self: 1)
    assert method._property == ("sold", "other")  # type: ignore[attr-defined]
