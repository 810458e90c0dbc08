"""What a metric finds in an answer is shown; what cannot be used is counted, told once, and left out."""

import json
from pathlib import Path

import pytest

from importer.exporter.base import FaultKind
from tests.exporter.json_services import (
    GOLDEN,
    ORDERS_ANSWER,
    ORDERS_METRICS,
    answers,
    faults,
    polled,
    samples,
    service_of,
    shown,
)
from tests.http_servers import book_server

MISSING, VALUE = FaultKind.MISSING, FaultKind.VALUE

ORDERS_SHOWN = """\
# HELP orders_placed_total Orders so far.
# TYPE orders_placed_total counter
orders_placed_total 410.0
# HELP queue_state queue_state
# TYPE queue_state gauge
queue_state 1.0
# HELP stock stock
# TYPE stock gauge
stock{env="test",site="site-lyon",team="blue"} 31.0
# HELP items items
# TYPE items gauge
items 2.0
"""


def read(folder: Path, document: object, *metrics: object) -> tuple[dict[str, float], list[tuple[FaultKind, str]]]:
    """Return what metrics show of a document, and the faults."""
    with polled(folder, document, list(metrics)) as (service, outcome, _):
        assert all(fault.metric for fault in outcome.faults)
        return samples(service), faults(outcome)


def test_the_example_of_orders(tmp_path: Path) -> None:
    with polled(tmp_path, ORDERS_ANSWER, ORDERS_METRICS) as (service, outcome, _):
        assert shown(service.families()) == ORDERS_SHOWN
        assert not outcome.faults


def test_the_example_of_the_weather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    entry = json.loads((GOLDEN / "config_plain.json").read_text())["services"]["weather"]
    with book_server(*answers(json.loads((GOLDEN / "plain_response.json").read_text()))) as vendor:
        entry["api_url"] = entry["api_url"].replace("http://127.0.0.1:8099", vendor.url)
        with service_of(tmp_path, entry) as service:
            assert list(service.poll().faults) == []
            assert shown(service.families()) == (GOLDEN / "exposition_plain.txt").read_text()
    (request,) = vendor.seen
    assert request.target == "/weather?units=si"
    assert request.headers["X-Api-Key"] == "5f3c=with==equals"


def test_the_example_of_json_exporter(tmp_path: Path) -> None:
    document = json.loads((GOLDEN / "json_exporter_example.json").read_text())
    active = '{.values[?(@.state == "ACTIVE")]}'
    metrics = [
        {"name": "example_global_value", "path": "{ .counter }", "labels": {"location": "planet-{.location}"}},
        {"name": "example_timestamped_value_count", "path": "{ .values[*] }", "aggregate": "count"},
        *(
            {"name": f"example_value_{name}", "path": active, "labels": {"id": "{.id}"}, "value": value}
            for name, value in (("active", 1), ("count", "{.count}"), ("boolean", "{.some_boolean}"))
        ),
    ]
    assert read(tmp_path, document, *metrics) == (
        {
            'example_global_value{location="planet-mars"}': 1234.0,
            "example_timestamped_value_count": 3.0,
            'example_value_active{id="id-A"}': 1.0,
            'example_value_active{id="id-C"}': 1.0,
            'example_value_count{id="id-A"}': 1.0,
            'example_value_count{id="id-C"}': 3.0,
            'example_value_boolean{id="id-A"}': 1.0,
            'example_value_boolean{id="id-C"}': 0.0,
        },
        [],
    )


@pytest.mark.parametrize("name", ["orders", "orders_total"])
def test_a_counter_has_its_suffix_once(tmp_path: Path, name: str) -> None:
    with polled(tmp_path, {"n": 3}, [{"name": name, "type": "counter", "path": "n"}]) as (service, _, _):
        assert shown(service.families()).splitlines()[1:] == ["# TYPE orders_total counter", "orders_total 3.0"]
        assert [family.name for family in service.families()] == ["orders"]


def test_a_counter_shows_the_vendors_figure_also_when_it_falls(tmp_path: Path) -> None:
    metrics = [{"name": "orders", "type": "counter", "path": "n"}]
    with (
        book_server(*answers({"n": 455}, {"n": 20})) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "metrics": metrics}) as service,
    ):
        service.poll()
        assert samples(service) == {"orders_total": 455}
        assert not service.poll().faults
        assert samples(service) == {"orders_total": 20}


def test_objects_that_vanish_from_the_answer_vanish(tmp_path: Path) -> None:
    metrics = [{"name": "stock", "path": "$[*]", "labels": {"team": "{.team}"}, "value": "{.n}"}]
    first, second = [{"team": "a", "n": 1}, {"team": "b", "n": 2}], [{"team": "b", "n": 3}]
    with (
        book_server(*answers(first, second)) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "metrics": metrics}) as service,
    ):
        service.poll()
        assert samples(service) == {'stock{team="a"}': 1, 'stock{team="b"}': 2}
        service.poll()
        assert samples(service) == {'stock{team="b"}': 3}


def test_a_summary_observes_every_value_once_a_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = [{"name": "wait", "type": "summary", "path": "$.jobs[*].seconds", "help": "Waiting."}]
    with (
        book_server(*answers({"jobs": []}, {"jobs": [{"seconds": 1}, {"seconds": 2}]}, {"jobs": []})) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "metrics": metrics}) as service,
    ):
        assert faults(service.poll()) == [(MISSING, "wait: nothing found at $.jobs[*].seconds")]
        assert samples(service) == {}
        service.poll()
        expected = {"wait_count": 2.0, "wait_sum": 3.0}
        assert {name: value for name, value in samples(service).items() if name in expected} == expected
        service.poll()
        assert {name: value for name, value in samples(service).items() if name in expected} == expected


def test_a_histogram_may_have_labels_and_buckets(tmp_path: Path) -> None:
    document = [{"team": "a", "s": 1}, {"team": "a", "s": 5}, {"team": "b", "s": 50}]
    metric = {
        "name": "wait",
        "type": "histogram",
        "path": "$[*]",
        "labels": {"team": "{.team}"},
        "value": "{.s}",
        "buckets": [1, 10],
    }
    found, wrong = read(tmp_path, document, metric)
    assert wrong == []
    assert found['wait_bucket{le="1.0",team="a"}'] == 1
    assert found['wait_bucket{le="10.0",team="a"}'] == 2
    assert found['wait_count{team="b"}'] == 1
    assert found['wait_sum{team="b"}'] == 50
    assert 'wait_bucket{le="0.1",team="a"}' not in found


def test_a_histogram_without_buckets_has_the_usual_ones(tmp_path: Path) -> None:
    found, _ = read(tmp_path, 0.3, {"name": "wait", "type": "histogram", "path": "$"})
    assert [found[f'wait_bucket{{le="{bound}"}}'] for bound in ("0.25", "0.5", "+Inf")] == [0, 1, 1]


def test_a_type_may_be_untyped(tmp_path: Path) -> None:
    with polled(tmp_path, 5, [{"name": "n", "type": "untyped", "path": "$"}]) as (service, _, _):
        assert shown(service.families()) == "# HELP n n\n# TYPE n untyped\nn 5.0\n"


@pytest.mark.parametrize(
    ("aggregate", "number"),
    [("count", 4), ("sum", 9), ("min", 1), ("max", 5), ("avg", 3), ("first", 3), ("last", 1)],
)
def test_an_aggregate_makes_one_sample_of_all(tmp_path: Path, aggregate: str, number: float) -> None:
    document = {"site": "x", "n": [3, "5", None, 1]}
    metric = {"name": "n", "path": "$.n[*]", "aggregate": aggregate, "allow_missing_key": True}
    assert read(tmp_path, document, {**metric, "labels": {"site": "{.site}"}}) == ({'n{site="x"}': number}, [])


def test_an_aggregate_may_be_over_values_in_objects(tmp_path: Path) -> None:
    metric = {"name": "n", "path": "$[*]", "value": "{.a}", "aggregate": "sum", "scale": 0.5}
    assert read(tmp_path, [{"a": 1}, {"a": 2}], metric) == ({"n": 1.5}, [])


INCIDENTS = [
    {"phase": "open", "key": "web", "alerts": 2},
    {"phase": "open", "key": "db", "alerts": 5},
    {"phase": "open", "key": "web", "alerts": 4},
    {"key": "db", "alerts": 1},
]


def test_items_are_counted_by_what_labels_find_in_them(tmp_path: Path) -> None:
    metric = {"name": "n", "path": "$[*]", "aggregate": "count", "by": {"key": "{.key}", "phase": "{.phase}"}}
    found, wrong = read(tmp_path, INCIDENTS, metric)
    assert found == {'n{key="web",phase="open"}': 2, 'n{key="db",phase="open"}': 1}
    assert wrong == [(MISSING, "n: 1 of 4 items skipped, the first: $[3].phase is missing")]


def test_values_are_aggregated_by_what_labels_find_beside_those_of_the_document(tmp_path: Path) -> None:
    labels, by = {"site": "{$.site}"}, {"key": "{.key}"}
    metric = {"name": "n", "path": "$.all[*]", "value": "{.alerts}", "aggregate": "max", "by": by, "labels": labels}
    found, wrong = read(tmp_path, {"all": INCIDENTS, "site": "lyon"}, metric)
    assert found == {'n{key="web",site="lyon"}': 4, 'n{key="db",site="lyon"}': 5}
    assert wrong == []


def test_a_count_of_nothing_by_labels_has_no_series_and_other_aggregates_are_missing(tmp_path: Path) -> None:
    metrics = [{"name": how, "path": "$[*]", "aggregate": how, "by": {"key": "{.key}"}} for how in ("count", "sum")]
    found, wrong = read(tmp_path, [], *metrics)
    assert found == {}
    assert wrong == [(MISSING, "sum: nothing found at $[*]")]


def test_a_count_of_nothing_is_zero_and_other_aggregates_are_missing(tmp_path: Path) -> None:
    metrics = [{"name": how, "path": "$.none[*]", "aggregate": how} for how in ("count", "sum")]
    assert read(tmp_path, {}, *metrics) == ({"count": 0.0}, [(MISSING, "sum: nothing found at $.none[*]")])


def test_a_bad_item_is_skipped_and_counted_once_for_each_kind(tmp_path: Path) -> None:
    items = [{"team": str(index), "count": index} for index in range(40)]
    items[3]["count"] = "n/a"
    items[5]["count"] = []  # type: ignore[assignment]
    items[7] = {"team": "7"}
    items[8]["team"] = None  # type: ignore[assignment]
    metric = {"name": "stock", "path": "$.items[*]", "labels": {"team": "{.team}"}, "value": "{.count}"}
    found, wrong = read(tmp_path, {"items": items}, metric)
    assert len(found) == 36
    assert wrong == [
        (VALUE, 'stock: 2 of 40 items skipped, the first: $.items[3].count is not a number: "n/a"'),
        (MISSING, "stock: 2 of 40 items skipped, the first: $.items[7].count is missing"),
    ]


@pytest.mark.parametrize(
    ("metric", "kind", "reason"),
    [
        ({"path": "$.none"}, MISSING, "nothing found at $.none"),
        ({"path": "$.null"}, MISSING, "$.null is null"),
        ({"path": "$.word"}, VALUE, '$.word is not a number: "up"'),
        ({"path": "$.word", "value_map": {"OK": 1}}, VALUE, '$.word is not a number, nor in value_map: "up"'),
        ({"path": "$.list"}, VALUE, "$.list is not a number: a list"),
        ({"path": "$.word", "time_format": "iso8601"}, VALUE, '$.word is not a date in the form iso8601: "up"'),
        ({"path": "$.big"}, VALUE, "$.big is too large a number"),
        (
            {"path": "$.list[*]"},
            VALUE,
            "$.list[*] finds 2 values; tell them apart by labels or keys, or give an aggregate",
        ),
        ({"path": "$.one", "labels": {"a": "{.none}"}}, MISSING, "$.one: $.none is missing"),
        ({"path": "$.one", "labels": {"a": "{.list}"}}, VALUE, "$.one: $.list is a list, not text"),
        ({"path": "$.list[*]", "aggregate": "sum", "labels": {"a": "{.none}"}}, MISSING, "$.none is missing"),
        ({"path": "$.list[*]", "aggregate": "sum", "labels": {"a": "{.list}"}}, VALUE, "$.list is a list, not text"),
        ({"path": "$.object", "value": "{.none}"}, MISSING, "$.object.none is missing"),
        ({"path": "$.object", "value": "{$.none}"}, MISSING, "$.object: $.none is missing"),
        ({"path": "$.object", "value": "{.*}"}, VALUE, "$.object.* finds 2 values where one is expected"),
        ({"path": "$.object", "value": "{.a}{.b}"}, VALUE, '$.object: {.a}{.b} is not a number: "xy"'),
        ({"path": "$..deep"}, VALUE, "$..deep cannot be looked up: recursion limit exceeded"),
    ],
)
def test_a_metric_that_fails_is_left_out_and_named(
    tmp_path: Path, metric: dict[str, object], kind: FaultKind, reason: str
) -> None:
    nested: object = 1
    for _ in range(200):
        nested = [nested]
    document = {
        "null": None,
        "word": "up",
        "list": [1, 2],
        "one": 1,
        "object": {"a": "x", "b": "y"},
        "big": 10**400,
        "nested": nested,
    }
    found, wrong = read(tmp_path, document, {"name": "bad", **metric}, {"name": "good", "path": "$.one"})
    assert found == {"good": 1.0}
    assert wrong == [(kind, f"bad: {reason}")]


def test_objects_with_equal_labels_leave_the_metric_out(tmp_path: Path) -> None:
    items = [{"team": "a", "n": 1}, {"team": "b", "n": 1}, {"team": "a", "n": 2}]
    metric = {"name": "stock", "path": "$[*]", "labels": {"team": "{.team}", "env": "test"}, "value": "{.n}"}
    assert read(tmp_path, items, metric) == (
        {},
        [(VALUE, "stock: 2 items have the same labels: env=test, team=a")],
    )


@pytest.mark.parametrize(
    "metric",
    [
        {"path": "$.none"},
        {"path": "$.null"},
        {"path": "$.items[*]", "value": "{.n}"},
        {"path": "$.one", "labels": {"a": "{.none}"}},
        {"path": "$.items[*]", "aggregate": "max"},
        {"path": "$.one", "aggregate": "max", "labels": {"a": "{.none}"}},
    ],
)
def test_what_may_be_missing_is_no_fault(tmp_path: Path, metric: dict[str, object]) -> None:
    document = {"null": None, "one": 1, "items": [None, None]}
    assert read(tmp_path, document, {"name": "n", "allow_missing_key": True, **metric}) == ({}, [])


def test_what_may_be_missing_must_still_be_a_number(tmp_path: Path) -> None:
    metric = {"name": "n", "path": "$", "allow_missing_key": True}
    assert read(tmp_path, "x", metric) == ({}, [(VALUE, 'n: $ is not a number: "x"')])


def test_object_keys_become_labels(tmp_path: Path) -> None:
    document = {"queues": {"mail": {"depth": 3, "shards": [1, 2]}, "sms": {"depth": 4, "shards": [5]}}}
    depth = {"name": "queue_depth", "path": "$.queues.*", "keys": ["queue"], "value": "{.depth}"}
    shard = {"name": "shard", "path": "$.queues[?(@.depth < 4)].shards[*]", "keys": ["queue", "index"]}
    assert read(tmp_path, document, depth, {**shard, "labels": {"env": "test"}}) == (
        {
            'queue_depth{queue="mail"}': 3.0,
            'queue_depth{queue="sms"}': 4.0,
            'shard{env="test",index="0",queue="mail"}': 1.0,
            'shard{env="test",index="1",queue="mail"}': 2.0,
        },
        [],
    )


def test_keys_are_found_also_by_paths_that_are_not_plain(tmp_path: Path) -> None:
    metric = {"name": "n", "path": "$[?@.a > 0 && @.a < 3]['a','b']", "keys": ["who", "what"]}
    assert read(tmp_path, {"x": {"a": 1, "b": 2}, "y": {"a": 5}}, metric) == (
        {'n{what="a",who="x"}': 1.0, 'n{what="b",who="x"}': 2.0},
        [],
    )


def test_dates_and_scales_make_values(tmp_path: Path) -> None:
    document = {"at": "2026-01-05T11:00:00", "on": "05.01.2026", "ms": 250}
    metrics = [
        {"name": "at", "path": "at", "time_format": "iso8601", "time_zone": "Europe/Berlin"},
        {"name": "on", "path": "on", "time_format": "%d.%m.%Y"},
        {"name": "seconds", "path": "ms", "scale": 0.001},
    ]
    expected = {"at": 1767607200.0, "on": 1767571200.0, "seconds": 0.25}
    assert read(tmp_path, document, *metrics) == (expected, [])


def test_a_top_level_list_and_a_bare_number_are_documents(tmp_path: Path) -> None:
    assert read(tmp_path, [4, 5], {"name": "n", "path": "$[1]"}) == ({"n": 5.0}, [])
    assert read(tmp_path, 7, {"name": "n", "path": "$"}) == ({"n": 7.0}, [])
