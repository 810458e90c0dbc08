"""What a body becomes: an event of the 1.0 API, points of the 1.1 API, or one line that says what is wrong with it."""

import json
import re
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.events.event import read_event
from importer.events.posted import BadPost, Draft, key_of, new_event_id, parse_post

NOW = 1795307635.738


def post(content: object) -> list[Draft]:
    return list(parse_post(json.dumps(content).encode(), clock=lambda: NOW).drafts)


def said(draft: Draft) -> dict[str, Any]:
    return dict(orjson.loads(b"{%b}" % draft.content))


def fields_of(**members: object) -> dict[str, Any]:
    """Return the fields of an event with these members, without what every event has."""
    (draft,) = post({"event": "e", "uid": "u", "event_id": "id", "now": 0} | members)
    fields: dict[str, Any] = said(draft)["event"]
    return {name: value for name, value in fields.items() if name not in {"event", "uid", "event_id", "now"}}


def refusal(body: bytes | object) -> str:
    with pytest.raises(BadPost) as caught:
        parse_post(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert "\n" not in caught.value.reason
    return caught.value.reason


# ---- events


def test_an_event_gets_an_id_and_the_time_of_now() -> None:
    posted = parse_post(b'{"event": "shop.view", "uid": "s 1", "qty": 3}', clock=lambda: NOW)
    (draft,) = posted.drafts
    event_id = json.loads(posted.answer)
    assert re.fullmatch("entry_[0-9a-f]{32}", event_id)
    assert said(draft) == {"event": {"event": "shop.view", "uid": "s 1", "qty": 3, "event_id": event_id, "now": NOW}}
    assert (draft.name, draft.uid, draft.key, draft.time) == ("shop.view", "s 1", event_id, None)
    assert (draft.may_repeat, draft.own_now) == (False, False)


def test_an_own_id_and_an_own_now_are_kept() -> None:
    posted = parse_post(b'{"event": "e", "uid": "", "now": "Mon 25 Apr", "event_id": " My-ID "}')
    (draft,) = posted.drafts
    assert posted.answer == b'"My-ID"'
    assert said(draft)["event"] == {"event": "e", "uid": "", "now": "Mon 25 Apr", "event_id": "My-ID"}
    assert (draft.key, draft.may_repeat, draft.own_now) == ("my-id", True, True)


@pytest.mark.parametrize(("given_id", "event_id"), [(5, "5"), (1.5, "1.5"), (True, "True")])
def test_an_id_that_is_no_text_becomes_one(given_id: object, event_id: str) -> None:
    (draft,) = post({"event": "e", "uid": "u", "event_id": given_id})
    assert said(draft)["event"]["event_id"] == event_id


@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_an_empty_id_counts_as_none(nothing: object) -> None:
    (draft,) = post({"event": "e", "uid": "u", "event_id": nothing})
    assert str(draft.key).startswith("entry_")
    assert not draft.may_repeat


@pytest.mark.parametrize(
    ("member", "fields"),
    [
        ({"n": 1}, {"n": 1}),
        ({"n": 1.0}, {"n": 1.0}),
        ({"n": True}, {"n": True}),
        ({"n": None}, {}),
        ({"n": [1, 2]}, {"n": "[1, 2]"}),
        ({"n": ["ä", {"a": None}]}, {"n": '["ä", {"a": null}]'}),
        ({"n": {}}, {}),
        ({"ua": {"os": {"n": "x"}}}, {"ua_os_n": "x"}),
        ({"ua": {"list": []}}, {"ua_list": "[]"}),
        ({"a_b": 1, "a": {"b": 2}}, {"a_b": 1, "a_b_2": 2}),
        ({"a b": 1, "a-b": 2, "a.b": 3, "a=b": 4, "a,b": 5}, {"a b": 1, "a-b": 2, "a.b": 3, "a=b": 4, "a,b": 5}),
        ({"n": 2**70}, {"n": 1.1805916207174113e21}),
        ({"n": "x" * 100_000}, {"n": "x" * 100_000}),
        ({"n": "a\\"}, {"n": "a\\"}),
        ({"n": "\0"}, {"n": "\0"}),
    ],
)
def test_members_become_flat_fields_of_their_types(member: dict[str, object], fields: dict[str, object]) -> None:
    found = fields_of(**member)
    assert found == fields
    assert [type(value) for value in found.values()] == [type(value) for value in fields.values()]


@pytest.mark.parametrize(
    ("own", "time", "fields"),
    [
        ("2016-04-25T12:29:48Z", 1461587388 * 10**9, {}),
        (1461587388, 1461587388 * 10**9, {}),
        ("noon", None, {"time_": "noon"}),
        (True, None, {"time_": True}),
        (2**200, None, {"time_": float(2**200)}),
    ],
)
def test_a_time_is_the_events_own_or_a_field_of_another_name(
    own: object, time: int | None, fields: dict[str, object]
) -> None:
    (draft,) = post({"event": "e", "uid": "u", "time": own})
    assert draft.time == time
    assert fields_of(time=own) == fields


def test_no_field_is_lost_to_one_that_is_named_anew() -> None:
    assert fields_of(time="noon", time_=1) == {"time_": 1, "time__": "noon"}


@pytest.mark.parametrize("missing", ["uid", "event"])
@pytest.mark.parametrize("with_null", [True, False])
def test_uid_and_event_are_required(missing: str, *, with_null: bool) -> None:
    event: dict[str, object] = {"uid": "u", "event": "e", "x": 1}
    if with_null:
        event[missing] = None
    else:
        del event[missing]
    assert refusal(event) == f"the event has no {missing}"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"null", b"1", b'"text"', b"true", b"{", b"{'a': 1}", b"not json", b"\xff", b"\0", b'"\\ud800"'),
        *(b'{"event": "e", "uid": "u", "n": NaN}', b'{"event": "e", "uid": "u", "n": 1e999}'),
        *(b'{"event": "e", "uid": "u"} x', b"event=e&uid=u", b"[" * 100_000, b'{"a":' * 100_000),
        *(b'{"event": "e", "uid": "u", "": 1}', b'{"event": "e", "uid": "u", "a": {"": {"b": 1}}, "": {"": 2}}'),
        b'{"event": "e", "uid": "u", "a": ' + b'{"b":' * 200 + b"1" + b"}" * 201,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_event_is_refused_in_one_line(body: bytes) -> None:
    refusal(body)


# ---- points


def test_points_are_kept_as_they_are_given() -> None:
    posted = parse_post(
        b'[{"measurement": "voting", "tags": {"uid": "user-5", "id": 25944, "ok": true, "none": null, "empty": ""},'
        b' "fields": {"value": 1, "score": 4.25, "gone": null}, "other": 1}]'
    )
    (draft,) = posted.drafts
    assert posted.answer == b'"OK"'
    assert said(draft) == {
        "measurement": "voting",
        "tags": {"uid": "user-5", "id": "25944", "ok": "True"},
        "fields": {"value": 1, "score": 4.25},
    }
    assert (draft.name, draft.uid, draft.key, draft.time) == ("voting", "user-5", None, None)


def test_no_points_are_none() -> None:
    assert parse_post(b"[]").drafts == []
    assert parse_post(b"[]").answer == b'"OK"'


@pytest.mark.parametrize("tags", [None, {}, "missing"])
def test_points_need_no_tags(tags: object) -> None:
    point = {"measurement": "m", "fields": {"v": 1}} | ({} if tags == "missing" else {"tags": tags})
    (draft,) = post([point])
    assert said(draft)["tags"] == {}


def test_a_tag_or_field_of_the_name_time_gets_another_one() -> None:
    (draft,) = post([{"measurement": "m", "tags": {"time": "noon"}, "fields": {"time": 1}}])
    assert said(draft) == {"measurement": "m", "tags": {"time_": "noon"}, "fields": {"time_": 1}}


def test_a_point_brings_its_own_time() -> None:
    (draft,) = post([{"measurement": "m", "fields": {"v": 1}, "time": 1461587388848}])
    assert draft.time == 1461587388848 * 10**6


def test_points_of_one_request_do_not_overwrite_one_another() -> None:
    point = {"measurement": "m", "tags": {"a": "b", "c": "d"}, "fields": {"v": 1}, "time": 1600000000}
    same, other = point | {"tags": {"c": "d", "a": "b"}}, point | {"tags": {"a": "x"}}
    times = [draft.time for draft in post([point, same, other, point, point | {"measurement": "n"}])]
    assert times == [1600000000 * 10**9 + number for number in (0, 1, 0, 2, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        *(1, "text", None, [], {}),
        {"fields": {"v": 1}},
        {"measurement": "", "fields": {"v": 1}},
        {"measurement": 5, "fields": {"v": 1}},
        {"measurement": "m"},
        {"measurement": "m", "fields": {}},
        {"measurement": "m", "fields": {"v": None}},
        {"measurement": "m", "fields": [1]},
        {"measurement": "m", "fields": {"v": 1}, "tags": "text"},
        {"measurement": "m", "fields": {"v": 1}, "tags": ""},
        {"measurement": "m", "fields": {"v": 1}, "tags": []},
        {"measurement": "m", "fields": {"v": 1}, "tags": False},
        {"measurement": "m", "fields": {"": {"v": 1}}},
        {"measurement": "m", "fields": {"v": 1}, "time": "noon"},
        {"measurement": "m", "fields": {"v": 1}, "time": True},
        {"measurement": "m", "fields": {"": 1}},
    ],
    ids=repr,
)
def test_of_a_list_with_something_that_is_no_point_the_place_is_told(wrong: object) -> None:
    assert "point 2 (index 1)" in refusal([{"measurement": "m", "fields": {"v": 1}}, wrong])


# ---- whatever is posted


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_every_event_is_refused_or_can_be_read_again(members: dict[str, object]) -> None:
    body = orjson.dumps({"event": "e", "uid": "u"} | members)
    try:
        (draft,) = parse_post(body).drafts
    except BadPost:
        return
    event = read_event(b'{"time":1,%b}' % draft.content)
    assert not event.measurement
    assert all(type(value) in {str, int, float, bool} for value in event.fields.values())
    assert "time" not in event.fields


@given(st.binary())
def test_any_bytes_are_refused_or_taken(body: bytes) -> None:
    try:
        parse_post(body)
    except BadPost as error:
        assert error.reason


# ---- ids


def test_new_ids_are_different_and_rise_with_the_time() -> None:
    clock = iter([NOW, NOW + 0.002])
    ids = [new_event_id(lambda: next(clock)) for _ in range(2)]
    assert ids == sorted(ids)
    assert len({new_event_id(lambda: NOW) for _ in range(1000)}) == 1000


def test_new_ids_have_the_form_of_a_random_uuid() -> None:
    found = uuid.UUID(new_event_id().removeprefix("entry_"))
    assert (found.version, found.variant) == (4, uuid.RFC_4122)


def test_ids_are_compared_without_regard_to_case_and_blanks() -> None:
    assert key_of(" ENTRY_1f\n") == key_of("entry_1F")
