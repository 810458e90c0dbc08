"""What each plug-in makes of records."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector import department
from importer.collector.aggregation import BadRecord, group, make_aggregate
from importer.collector.department import NoDepartment, take_first_department_code, try_get_department
from importer.collector.plugin_call import PluginError
from importer.collector.plugins import ENTRY_POINT_GROUP, MissingField, load_plugin, load_plugins

Documents = list[dict[str, Any]]
ALL_NAMES = (
    "AggregateKey",
    "Comment",
    "ComputeDepartmentKey",
    "ComputeIdFrom",
    "ComputeRank",
    "RemoveKey",
    "SetDepartment",
)


def run(text: str, *documents: dict[str, Any]) -> Documents:
    result: Documents = load_plugin(text)(list(documents))
    return result


def test_a_bare_literal_is_itself() -> None:
    assert load_plugin("1") == 1


@pytest.mark.parametrize("name", ALL_NAMES)
def test_each_plugin_can_be_named_and_takes_no_records_too(name: str) -> None:
    arguments = "" if name in {"AggregateKey", "Comment"} else "'field'"
    assert load_plugin(f"{name}({arguments})")([]) == []


def test_comment_does_nothing() -> None:
    assert run("Comment('why', 1, [2])", {"a": 1}) == [{"a": 1}]


def test_an_id_is_computed_from_fields() -> None:
    moment = datetime(2014, 10, 30, 15, tzinfo=timezone(timedelta(hours=2)))
    text = "ComputeIdFrom('_timestamp', 'timeSpan', 'visits', )"
    [document] = run(text, {"_timestamp": moment, "timeSpan": "week", "visits": 3})
    assert document["humanId"] == "20141030130000_week_3"
    assert document["_id"] == "MjAxNDEwMzAxMzAwMDBfd2Vla18z"


def test_an_id_of_a_field_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(MissingField) as caught:
        run("ComputeIdFrom('page')", {"path": "/", "visits": 1})
    assert str(caught.value) == "ComputeIdFrom: the record has no field 'page'; it has path, visits"


def test_keys_are_removed_and_one_that_is_absent_is_not_missed() -> None:
    assert run("RemoveKey('a', 'b')", {"a": 1, "c": 2}, {"b": 1}) == [{"c": 2}, {}]


def test_ranks_are_given_in_the_present_order() -> None:
    assert run("ComputeRank('rank')", {"p": "b"}, {"p": "a"}) == [{"p": "b", "rank": 1}, {"p": "a", "rank": 2}]


@pytest.mark.parametrize(
    ("text", "department"),
    [
        ("<D10><EA79>", "department-for-work-pensions"),
        ("<D1>", "attorney-generals-office"),
        ("<D9999>", "<D9999>"),
        ("<EA79> and more", try_get_department("<EA79>")),
    ],
)
def test_the_first_code_of_a_field_is_the_department(text: str, department: str) -> None:
    assert run("ComputeDepartmentKey('code')", {"code": text}) == [{"code": text, "department": department}]
    assert run(f"SetDepartment('{text}')", {}) == [{"department": department}]


@pytest.mark.parametrize("document", [{}, {"code": "x<D10>"}, {"code": ""}, {"code": 7}, {"code": "<>"}])
def test_without_a_code_at_the_start_there_is_no_department(document: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="does not begin with a department's code") as caught:
        run("ComputeDepartmentKey('code')", document)
    assert isinstance(caught.value, NoDepartment)


def test_a_department_without_a_code_is_set_as_it_is() -> None:
    assert run("SetDepartment('hm-treasury')", {}, {}) == [{"department": "hm-treasury"}] * 2


def test_all_codes_of_old_are_known() -> None:
    slugs = json.loads((Path(department.__file__).parent / "departments.json").read_text())
    assert len(slugs) == 404
    assert {code: try_get_department(f"{code}<D1>") for code in slugs} == slugs
    assert take_first_department_code("<D10><EA79>") == "<D10>"


def test_records_that_are_alike_become_one() -> None:
    text = "AggregateKey(aggregate_count('visits'), aggregate_rate('rate', 'visits'))"
    documents = ({"a": 2, "visits": 100, "rate": 0.25}, {"a": 2, "visits": 300, "rate": 0.75})
    assert run(text, *documents) == [{"a": 2, "visits": 400, "rate": 0.625}]


def test_ids_do_not_keep_records_apart() -> None:
    documents = [{"_id": str(n), "humanId": str(n), "browser": "Chrome", "visits": n} for n in (100, 40)]
    [document] = run("AggregateKey(aggregate_count('visits'))", *documents)
    assert document["visits"] == 140


def test_groups_stand_in_the_order_of_their_first_records() -> None:
    documents = [{"p": name, "n": 1} for name in "bab"]
    assert run("AggregateKey(aggregate_count('n'))", *documents) == [{"p": "b", "n": 2}, {"p": "a", "n": 1}]


@pytest.mark.parametrize("other", [{"p": [1], "n": 1}, {"p": None, "n": 1}, {"n": 1}, {"p": "1", "n": 1}])
def test_records_that_differ_in_any_way_stay_apart(other: dict[str, Any]) -> None:
    assert len(run("AggregateKey(aggregate_count('n'))", {"p": 1, "n": 1}, other)) == 2


def test_a_rate_of_nothing_is_nothing() -> None:
    [document] = run("AggregateKey(aggregate_rate('rate', 'n'))", {"rate": 0.5, "n": 0})
    assert document["rate"] == 0


@pytest.mark.parametrize("document", [{}, {"visits": "100"}, {"visits": None}, {"visits": True}])
def test_what_is_no_number_cannot_be_added_up(document: dict[str, Any]) -> None:
    with pytest.raises(BadRecord, match=r"'visits' .*: only numbers can be aggregated"):
        run("AggregateKey(aggregate_count('visits'))", document)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=20))
def test_aggregating_loses_nothing_and_leaves_no_two_alike(pairs: list[tuple[str, int]]) -> None:
    found = run("AggregateKey(aggregate_count('n'))", *({"p": name, "n": number} for name, number in pairs))
    assert sum(document["n"] for document in found) == sum(number for _, number in pairs)
    assert [document["p"] for document in found] == list(dict.fromkeys(name for name, _ in pairs))


def test_the_helpers_of_aggregating_can_be_used_alone() -> None:
    assert list(group([1, 2, 3], lambda number: number % 2)) == [[1, 3], [2]]
    assert make_aggregate([{"a": 1}, {"a": 2}], [("a", len)]) == {"a": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ComputeRank()", "missing 1 required positional argument"),
        ("ComputeRank('a', 'b')", "takes 2 positional arguments"),
        ("SetDepartment(1)", "expected string"),
        ("NoSuchPlugin()", "there is no plug-in 'NoSuchPlugin'"),
        ("load_plugin('1')", "there is no plug-in 'load_plugin'"),
        ("__build_class__()", "there is no plug-in '__build_class__'"),
    ],
)
def test_what_cannot_be_made_is_an_error_with_the_text(text: str, reason: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugin(text)
    assert str(caught.value).startswith(f"plug-in {text!r}: ")
    assert reason in str(caught.value)


@pytest.fixture
def user_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The old package with a class that its user has put there, and a distribution that offers another."""
    root = Path(__file__).parents[2]
    (tmp_path / "offered.py").write_text(
        "class Offered:\n    def __call__(self, documents):\n        return ['offered']\n"
    )
    metadata = tmp_path / "offered-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\nOffered = offered:Offered\nnumber = offered:__name__\n"
    )
    monkeypatch.syspath_prepend(str(root / "compat"))
    monkeypatch.syspath_prepend(str(tmp_path))
    from performanceplatform.collector.ga import plugins

    yield plugins
    for name in [name for name in sys.modules if name.partition(".")[0] in {"performanceplatform", "offered"}]:
        del sys.modules[name]


def test_a_class_put_into_the_old_package_can_be_named(user_package: Any) -> None:
    made: list[str] = []

    class Mine:
        def __init__(self, text: str) -> None:
            made.append(text)

        def __call__(self, documents: Documents) -> Documents:
            return [*documents, {"mine": True}]

    user_package.Mine = Mine
    assert run("Mine('x')", {"a": 1}) == [{"a": 1}, {"mine": True}]
    made.clear()
    with pytest.raises(PluginError):
        load_plugins(["Mine('x')", "NoSuchPlugin()"])
    assert made == []


@pytest.mark.parametrize("name", ["load_plugin", "group", "extend_path", "placed"])
def test_functions_of_the_old_package_cannot_be_named(user_package: Any, name: str) -> None:
    def placed(*_anything: object) -> Callable[[Documents], Documents]:
        raise AssertionError("called")

    user_package.placed = placed
    with pytest.raises(PluginError, match="there is no plug-in"):
        load_plugin(f"{name}('1')")


@pytest.mark.usefixtures("user_package")
def test_a_class_offered_by_an_entry_point_can_be_named() -> None:
    assert load_plugin("Offered()")([]) == ["offered"]
    with pytest.raises(PluginError, match="there is no plug-in 'number'"):
        load_plugin("number()")
