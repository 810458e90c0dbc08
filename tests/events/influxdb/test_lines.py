"""Lines for InfluxDB: golden ones, and whatever JSON holds can be read back from them."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.events.event import Event, Value
from importer.events.influxdb.lines import MAX_SERIES_KEY_BYTES, Row, RowMaker, Unsigned, format_row, format_rows
from importer.events.tags import TagRule, can_be_tag
from importer.simulators.influxdb_lines import parse_line

NOW = 1_795_307_635_738_123_456
SHOP_VIEW: Mapping[str, Value] = {
    "uid": "s 1",
    "event": "shop.view",
    "qty": 3,
    "event_id": "entry_5b2d",
    "now": 1795307635.738,
}


def row(
    fields: Mapping[str, Value],
    *,
    tags: str | None = None,
    distinct: bool = False,
    table: str = "analytics",
    measurement: str = "",
    point_tags: Mapping[str, str] | None = None,
    without: frozenset[str] = frozenset(),
) -> Row:
    maker = RowMaker(table, TagRule.parse(tags), distinct=distinct)
    return maker.row(Event(NOW, fields, measurement, point_tags or {}), without=without)


def line(fields: Mapping[str, Value], **options: object) -> str:
    return format_row(row(fields, **options)).removesuffix(f" {NOW}\n")  # type: ignore[arg-type]


def test_an_event_is_written_as_the_specification_shows_it() -> None:
    assert format_row(row(SHOP_VIEW)) == (
        'analytics,event=shop.view,uid=s\\ 1 event="shop.view",event_id="entry_5b2d",now=1795307635.738,qty=3i,'
        'uid="s 1" 1795307635738123456\n'
    )


def test_a_point_is_written_as_the_specification_shows_it() -> None:
    fields: Mapping[str, Value] = {"value": 1, "score": 4.25, "ok": False, "txt": 'a "b" c'}
    tags = {"uid": "user-5", "video_id": "25944", "title": "bunny shadow, part=2", "empty": ""}
    assert line(fields, measurement="voting", point_tags=tags) == (
        "voting,title=bunny\\ shadow\\,\\ part\\=2,uid=user-5,video_id=25944 "
        'ok=False,score=4.25,txt="a \\"b\\" c",value=1i'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1i"),
        (-(2**63), "-9223372036854775808i"),
        (2**63, "9.223372036854776e+18"),
        (10**400, f'"{10**400}"'),
        (2.5, "2.5"),
        (3.0, "3.0"),
        (1e22, "1e+22"),
        (float("nan"), '"nan"'),
        (float("-inf"), '"-inf"'),
        (True, "True"),
        (False, "False"),
        ('C:\\dir "x"', '"C:\\\\dir \\"x\\""'),
        ("two\nlines", '"two\nlines"'),
        (Unsigned(3), "3u"),
        ([1, {"a": None}], '"[1, {\\"a\\": null}]"'),
    ],
)
def test_a_field_is_written_by_its_type(value: Value, written: str) -> None:
    assert line({"v": value}, tags="none") == f"analytics v={written}"


def test_null_is_left_out() -> None:
    assert line({"v": None, "w": 1}) == "analytics w=1i"  # type: ignore[dict-item]


def test_listed_keys_are_tags_whatever_their_type_and_no_others() -> None:
    fields: Mapping[str, Value] = {"qty": 3, "ok": True, "half": 2.5, "uid": "u", "event_id": "e", "now": 1.5}
    assert line(fields, tags="qty,ok  half,now").split(" ")[0] == "analytics,half=2.5,ok=True,qty=3"
    assert line(fields, tags="*").split(" ")[0] == "analytics,half=2.5,ok=True,qty=3,uid=u"


@pytest.mark.parametrize("text", ["", "x" * 1001, "a\nb", "a\\", "a\\ b", "a\\,b", "a\\=b"])
def test_a_text_that_cannot_be_a_tag_is_a_field_only(text: str) -> None:
    assert row({"v": text, "event_id": "e"}).tags == {}
    assert row({"v": text, "event_id": "e"}).fields["v"] == text


def test_a_backslash_within_a_tag_is_one() -> None:
    assert line({"v": "C:\\dir"}) == 'analytics,v=C:\\dir v="C:\\\\dir"'


def test_a_tag_of_a_point_that_cannot_be_one_is_a_field() -> None:
    tags = {"page": "two\nlines", "uid": "u", "value": "x\\"}
    assert line({"value": 1}, measurement="m", point_tags=tags) == 'm,uid=u page="two\nlines",value=1i,value_="x\\\\"'


def test_a_field_called_time_gets_another_name() -> None:
    assert line({"time": "noon", "time_": 1}, tags="none") == 'analytics time_=1i,time__="noon"'
    assert line({"v": 1}, measurement="m", point_tags={"time": "noon"}) == "m,time_=noon v=1i"


def test_for_influxdb_3_a_key_is_a_tag_or_a_field() -> None:
    assert line(SHOP_VIEW, distinct=True) == (
        'analytics,event=shop.view,uid=s\\ 1 event_id="entry_5b2d",now=1795307635.738,qty=3i'
    )
    assert line({"v": 1}, distinct=True, measurement="m", point_tags={"v": "a", "v_": "b"}) == "m,v=a,v_=b v__=1i"
    assert line({"event": "a", "uid": "u"}, distinct=True) == 'analytics,event=a uid="u"'
    assert line({"v": "\\\\server", "event_id": "e"}, distinct=True) == 'analytics event_id="e",v="\\\\\\\\server"'


def test_tags_can_be_left_out_and_stay_fields() -> None:
    without = frozenset({"uid"})
    assert line({"uid": "u"}, without=without) == 'analytics uid="u"'
    assert line({"uid": "u", "event_id": "e"}, without=without, distinct=True) == 'analytics event_id="e",uid="u"'
    assert line({"v": 1}, measurement="m", point_tags={"uid": "u"}, without=without) == 'm uid="u",v=1i'


def test_the_longest_tags_are_fields_only_where_the_series_key_would_be_too_long() -> None:
    fields = {f"k{number}": "é," * 400 + "x" * number for number in range(100)}
    made = row(fields)
    assert len(format_row(made).split(" ")[0].encode()) <= MAX_SERIES_KEY_BYTES
    assert made.fields == fields
    assert "k0" in made.tags
    assert "k99" not in made.tags


def test_line_ends_in_texts_can_be_told_by_two_characters() -> None:
    assert format_rows([row({"v": "a\nb"}, tags="none")], line_ends=False) == b'analytics v="a\\\\nb" %d\n' % NOW


def test_an_event_without_fields_is_none() -> None:
    maker = RowMaker("analytics", TagRule(), distinct=False)
    with pytest.raises(ValueError, match="no fields"):
        maker.require_fields(Event(NOW, {}))


names = st.one_of(st.text(min_size=1, max_size=8), st.text('\\ ,="\n\t#_a\0', min_size=1, max_size=6), st.just("time"))
texts = st.one_of(st.text(max_size=20), st.text('\\ ,="\n\ta', max_size=8))
values = st.one_of(texts, st.booleans(), st.integers(), st.floats())


def as_read(value: Value) -> Value:
    """Return what is read where a value was written: no infinity, and integers of 64 bits."""
    if isinstance(value, str):
        return value.replace("\n", "\\n")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if -(2**63) <= value < 2**63 else float(value)


@given(st.dictionaries(names, values, min_size=1), st.booleans(), st.sampled_from([None, "*", "a b"]))
@example({"\t": 1, "\t\t": 2, "a\\": "x\\"}, False, "*")
def test_whatever_an_event_holds_is_read_back(fields: dict[str, Value], distinct: bool, tags: str | None) -> None:
    made = row(fields, distinct=distinct, tags=tags)
    parsed = parse_line(format_row(made, line_ends=False).removesuffix("\n"))
    assert parsed.measurement == "analytics"
    assert parsed.timestamp == NOW
    assert dict(parsed.tags) == made.tags
    assert parsed.fields.keys() == made.fields.keys()
    assert parsed.fields == {name: as_read(value) for name, value in made.fields.items()}
    assert len(made.fields.keys() | made.tags.keys()) == len(fields)
    assert all(map(can_be_tag, made.tags.values()))


@given(names, st.dictionaries(names, texts), st.dictionaries(names, values, min_size=1))
def test_whatever_a_point_holds_is_read_back(measurement: str, tags: dict[str, str], fields: dict[str, Value]) -> None:
    made = row(fields, measurement=measurement, point_tags=tags)
    text = format_row(made, line_ends=False)
    assert text.count("\n") == 1
    assert not text.startswith(("#", " ", "\t", "\0"))
    parsed = parse_line(text.removesuffix("\n"))
    assert parsed.measurement == made.measurement
    assert dict(parsed.tags) == made.tags
    assert parsed.fields.keys() == made.fields.keys()
    assert len(made.tags) + len(made.fields) >= len(fields) + sum(map(can_be_tag, tags.values()))
