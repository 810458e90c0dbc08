"""Records made of a vendor's rows."""

from base64 import urlsafe_b64decode
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector.documents import DataParser, apply_key_mapping, build_document, build_document_set
from importer.collector.plugin_call import PluginError
from importer.collector.record_id import get_string_for_data_id, value_id
from importer.errors import ConfigError

START = date(2013, 4, 1)


def parse(
    options: dict[str, Any], *dimensions: dict[str, Any], data_type: str = "visits", start: date = START
) -> list[dict[str, Any]]:
    rows = [{"start_date": start, "dimensions": row} for row in dimensions or ({},)]
    return DataParser(rows, options, data_type).get_data()


def test_a_row_of_a_week_becomes_the_record_that_it_always_was() -> None:
    rows = [{"start_date": START, "dimensions": {"date": "2013-04-02"}}]
    [document] = DataParser(rows, {}, "weeklyvisits").get_data([{"timeSpan": "week", "visits": 12345}])
    assert document == {
        "_id": "d2Vla2x5dmlzaXRzXzIwMTMwNDAxMDAwMDAwX3dlZWtfMjAxMy0wNC0wMg==",
        "humanId": "weeklyvisits_20130401000000_week_2013-04-02",
        "dataType": "weeklyvisits",
        "_timestamp": datetime(2013, 4, 1, tzinfo=UTC),
        "timeSpan": "week",
        "date": "2013-04-02",
        "visits": 12345,
    }


def test_an_id_of_mapped_fields_has_no_separator() -> None:
    [document] = parse({"idMapping": ["var", "dataType"]}, {"var": "f"}, data_type="oo")
    assert (document["humanId"], document["_id"]) == ("foo", "Zm9v")


def test_an_id_may_be_of_one_field_and_one_that_is_absent_counts_as_nothing() -> None:
    assert [parse({"idMapping": keys}, {"var": "f"})[0]["humanId"] for keys in ("var", ["no", "var"])] == ["f", "f"]


def test_values_of_an_id_are_written_as_they_always_were() -> None:
    keys = ["_timestamp", "whole", "part"]
    start = datetime(2014, 10, 30, 13)  # noqa: DTZ001
    [document] = parse({"idMapping": keys}, {"whole": 12, "part": 1.0}, start=start)
    assert document["humanId"] == "2014-10-30 13:00:00+00:00121.0"


def test_an_id_is_of_the_fields_after_mapping() -> None:
    [document] = parse({"idMapping": ["new"], "mappings": {"old": "new"}}, {"old": "x"})
    assert document["humanId"] == "x"


def test_an_id_of_characters_beyond_ascii() -> None:
    text = get_string_for_data_id("a", datetime(2012, 1, 1, 12, tzinfo=UTC), "week", ["one", "© ☯ ☮"])
    assert value_id(text) == ("YV8yMDEyMDEwMTEyMDAwMF93ZWVrX29uZV_CqSDimK8g4piu", "a_20120101120000_week_one_© ☯ ☮")


def test_a_period_that_was_mapped_to_another_name_is_left_out_of_the_id() -> None:
    rows = [{"start_date": START}]
    [document] = DataParser(rows, {"mappings": {"timeSpan": "span"}}, "visits").get_data([{"timeSpan": "week"}])
    assert document["humanId"] == "visits_20130401000000"


def test_dimensions_stand_in_the_id_in_the_order_of_the_row() -> None:
    [document] = parse({}, {"browser": "UC Browser", "browserVersion": "9.4"})
    assert document["humanId"].endswith("_UC Browser_9.4")


@given(st.text())
def test_an_id_can_be_read_back_and_holds_no_white_space(text: str) -> None:
    encoded, human = value_id(text)
    assert (urlsafe_b64decode(encoded).decode(errors="surrogatepass"), human) == (text, text)
    assert encoded.isascii()
    assert not any(character.isspace() for character in encoded)


def test_half_an_emoji_in_a_value_does_not_stop_a_run() -> None:
    assert parse({}, {"title": "\ud83d"})[0]["_id"]


def test_what_comes_later_wins() -> None:
    rows = [{"start_date": START, "dimensions": {"b": "dimension", "c": "dimension"}}]
    options = {"additionalFields": {"a": "more", "b": "more", "c": "more"}, "dataType": "other"}
    [document] = DataParser(rows, options, "visits").get_data([{"c": "special"}])
    assert [document[key] for key in ("a", "b", "c", "dataType")] == ["more", "dimension", "special", "other"]
    assert document["humanId"].startswith("other_")


def test_a_mapping_is_one_step() -> None:
    assert apply_key_mapping({"a": "b", "b": "c"}, {"a": 1, "b": 2}) == {"b": 1, "c": 2}


def test_of_two_fields_on_one_name_the_later_stays() -> None:
    assert apply_key_mapping({"a": "x", "b": "x"}, {"a": 1, "b": 2}) == {"x": 2}
    assert apply_key_mapping({"a": "x", "b": "x"}, {"b": 2, "a": 1}) == {"x": 1}


def test_a_text_is_taken_apart_and_stays() -> None:
    mappings = {"eventLabel_0": "section", "eventLabel_2": "page", "eventLabel_3": "none"}
    expected = {"eventLabel": "a:b:c", "section": "a", "page": "c"}
    assert apply_key_mapping(mappings, {"eventLabel": "a:b:c"}) == expected


@pytest.mark.parametrize(
    "key", ["visits_", "_", "visits_x", "visits_0", f"visits_{'9' * 5000}", "visits_²", "visits_0\n"]
)
def test_keys_that_take_nothing_apart_are_ignored(key: str) -> None:
    assert apply_key_mapping({key: "piece"}, {"visits": 7}) == {"visits": 7}


@pytest.mark.parametrize("key", ["visits_", "visits_²", f"visits_{'9' * 5000}", "visits_0\n"])
def test_keys_without_a_number_take_no_text_apart(key: str) -> None:
    assert apply_key_mapping({key: "piece"}, {"visits": "a:b"}) == {"visits": "a:b"}


@pytest.mark.parametrize("special", [[], [{}, {}]])
def test_there_is_one_object_of_special_fields_for_each_row(special: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=rf"special fields: {len(special)} for 1 rows"):
        DataParser([{"start_date": START}], {}, "visits").get_data(special)


def test_a_start_with_another_zone_is_converted() -> None:
    start = datetime(2013, 4, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert build_document({"start_date": start}, "visits")["_timestamp"].isoformat() == "2013-04-01T00:00:00+00:00"


def test_what_was_given_is_not_changed() -> None:
    row = {"start_date": START, "dimensions": {"a": 1}}
    options = {
        "mappings": {"a": "b"},
        "additionalFields": {"more": 1},
        "plugins": ["RemoveKey('b')", "ComputeIdFrom()"],
    }
    before = repr((row, options))
    DataParser([row], options, "visits").get_data([{"timeSpan": "day"}])
    assert repr((row, options)) == before


def test_the_functions_of_old_take_what_they_took() -> None:
    found = build_document_set(
        [{"start_date": START, "dimensions": {"a": 1}}], "visits", {"a": "b"}, [{"n": 2}], "b", {"m": 3}
    )
    assert [(document["humanId"], document["n"], document["m"]) for document in found] == [("1", 2, 3)]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"mappings": ["a"]}, "mappings"),
        ({"mappings": {"a": 1}}, "mappings"),
        ({"additionalFields": "a"}, "additionalFields"),
        ({"idMapping": 7}, "idMapping"),
        ({"dataType": 7}, "dataType"),
        ({"plugins": "Comment()"}, "plugins"),
    ],
)
def test_an_option_of_the_wrong_kind_is_named(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"options: {key}"):
        DataParser([], options, "visits")


def test_ranks_begin_anew_in_each_period() -> None:
    rows = [{"start_date": start, "dimensions": {"page": page}} for start in (START, date(2013, 4, 8)) for page in "ab"]
    plugins = ["ComputeRank('rank')", "ComputeIdFrom('_timestamp', 'rank')"]
    documents = DataParser(rows, {"plugins": plugins}, "visits").get_data()
    assert [(document["page"], document["humanId"]) for document in documents] == [
        ("a", "20130401000000_1"),
        ("b", "20130401000000_2"),
        ("a", "20130408000000_1"),
        ("b", "20130408000000_2"),
    ]


def test_rows_that_become_alike_are_added_up() -> None:
    rows = [{"start_date": START, "dimensions": {"browser": "Chrome", "version": version}} for version in ("30", "31")]
    options = {
        "plugins": ["RemoveKey('version')", "AggregateKey(aggregate_count('visits'))", "ComputeIdFrom('browser')"],
    }
    [document] = DataParser(rows, options, "browsers").get_data([{"visits": 100}, {"visits": 40}])
    assert (document["visits"], document["humanId"]) == (140, "Chrome")


@pytest.mark.parametrize("plugins", [["Comment()"], ["ComputeIdFrom('a')", "RemoveKey('a')"]])
def test_the_last_plugin_names_the_records(plugins: list[str]) -> None:
    with pytest.raises(PluginError, match="the last plug-in must be ComputeIdFrom"):
        DataParser([], {"plugins": plugins}, "visits")


def test_a_literal_is_no_plugin() -> None:
    with pytest.raises(PluginError, match="'1': not a plug-in"):
        DataParser([], {"plugins": ["1", "ComputeIdFrom('a')"]}, "visits")
