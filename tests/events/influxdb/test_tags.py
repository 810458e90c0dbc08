"""Which keys of events become tags."""

import pytest

from importer.events.tags import TagRule


def test_without_a_rule_texts_are_tags_but_those_that_each_event_has_of_its_own() -> None:
    fields = {"event": "a", "qty": 3, "event_id": "e", "datetime": "now", "now": "today", "uid": ""}
    assert TagRule.parse(None).tags_of(fields) == {"event": "a"}


@pytest.mark.parametrize("text", ["event app_node", "event,app_node", " event ,\n app_node, "])
def test_names_are_parted_by_blanks_or_commas(text: str) -> None:
    rule = TagRule.parse(text)
    assert rule.tags_of({"event": "a", "app_node": 5, "uid": "u"}) == {"event": "a", "app_node": "5"}
    assert rule.warnings == ()


def test_a_star_is_every_key() -> None:
    assert TagRule.parse("*").tags_of({"event": "a", "qty": 3, "now": 1.5}) == {"event": "a", "qty": "3"}


def test_what_can_be_no_tag_is_warned_of_once_each() -> None:
    rule = TagRule.parse("now event_id, event now")
    assert rule.tags_of({"event": "a", "event_id": "e", "now": "b"}) == {"event": "a"}
    assert [warning.split()[0] for warning in rule.warnings] == ["now", "event_id"]


@pytest.mark.parametrize("text", ["", " ", ","])
def test_no_name_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="names no key; write names like: event app_node"):
        TagRule.parse(text)
