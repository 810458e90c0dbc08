"""The service kafka in single runs, against librdkafka's own mock brokers."""

import json
from pathlib import Path

import pytest

from tests.leexport.answers import GOLDEN, answer, statistics_answer
from tests.leexport.faulty import said
from tests.leexport.site import COUNT, GROUPS, Site
from tests.servers.kafka import MockKafka, Received

EXPECTED = json.loads((GOLDEN / "expected_kafka.json").read_text())
STATEMENTS = {"timeseries": COUNT, "groups": GROUPS}
"""By the fixture that answers them."""
TIMES = [f"2019-02-05T16:{minute}:00Z" for minute in range(20, 30, 2)]
KEYS = {"timeseries": TIMES, "groups": ["200", "301", "404", "München"]}
"""Of the points or groups of a fixture."""
UNKNOWN_TOPIC = 3
TOO_LARGE = 10


def queue(site: Site, name: str, kafka: MockKafka, topic: str, *, statement: str = COUNT, **keys: object) -> None:
    """Add a search whose answers go to a topic."""
    site.api.answers |= {COUNT: answer("timeseries"), GROUPS: answer("groups")}
    site.search(name, {"service": "kafka", "brokers": kafka.brokers, "topic": topic, **keys}, statement=statement)


@pytest.mark.parametrize("fixture", STATEMENTS)
def test_each_value_is_a_message_without_a_key_in_the_answers_order(
    site: Site, kafka: MockKafka, topic: str, fixture: str
) -> None:
    queue(site, "numbers", kafka, topic, statement=STATEMENTS[fixture])
    result = site.once()
    assert (result.code, result.stderr) == (0, "")
    assert kafka.read(topic) == [Received(None, value) for value in EXPECTED[f"response_{fixture}"]]


def test_of_an_answer_with_both_the_groups_are_sent(site: Site, kafka: MockKafka, topic: str) -> None:
    queue(site, "numbers", kafka, topic)
    both = answer("timeseries")
    both["statistics"]["groups"] = answer("groups")["statistics"]["groups"]
    site.api.answers[COUNT] = both
    assert site.once().code == 0
    assert [message.value for message in kafka.read(topic)] == EXPECTED["response_groups"]


@pytest.mark.parametrize("fixture", STATEMENTS)
def test_as_json_a_message_says_whose_value_it_is(site: Site, kafka: MockKafka, topic: str, fixture: str) -> None:
    queue(site, "Requests, all", kafka, topic, statement=STATEMENTS[fixture], message_format="json")
    assert site.once().code == 0
    messages = kafka.read(topic)
    assert {message.key for message in messages} == {None}
    assert [json.loads(message.value) for message in messages] == [
        {"key": key, "value": float(value), "search": "Requests, all"}
        for key, value in zip(KEYS[fixture], EXPECTED[f"response_{fixture}"], strict=True)
    ]


def test_numbers_keep_their_digits_and_what_is_no_number_is_left_out(site: Site, kafka: MockKafka, topic: str) -> None:
    queue(site, "numbers", kafka, topic)
    points = [{"count": value} for value in (3, None, 1234567890123.0, "NaN", 0.1)]
    site.api.answers[COUNT] = statistics_answer(
        type="count", timeseries={"s": points}, granularity=1000, **{"from": 1549383600000}
    )
    assert site.once().code == 0
    assert [message.value for message in kafka.read(topic)] == ["3", "1234567890123.0", "0.1"]


def test_an_empty_answer_sends_nothing_and_is_no_failure(site: Site, kafka: MockKafka, topic: str) -> None:
    queue(site, "numbers", kafka, topic)
    site.api.answers[COUNT] = answer("timeseries_empty")
    assert site.once().code == 0
    assert kafka.read(topic) == []


def test_an_answer_of_events_is_told(site: Site, kafka: MockKafka, topic: str) -> None:
    queue(site, "numbers", kafka, topic, statement="where(status)")
    result = site.once()
    assert (result.code, said(result)) == (1, {"numbers": "the answer holds events, not statistics"})


@pytest.mark.parametrize("form", ['"127.0.0.1:1, {0}"', "127.0.0.1:1, {0}", "{0},", "\u201c127.0.0.1:1,{0}\u201d"])
def test_brokers_are_written_in_any_of_the_old_ways(site: Site, kafka: MockKafka, topic: str, form: str) -> None:
    queue(site, "numbers", kafka, topic, brokers=form.format(kafka.brokers))
    assert (result := site.once()).code == 0, result.stderr
    assert len(kafka.read(topic)) == len(TIMES)


def test_several_searches_send_to_their_topics_side_by_side(site: Site, kafka: MockKafka) -> None:
    names = [kafka.new_topic() for _ in range(4)]
    for name in names:
        queue(site, name, kafka, name)
    assert site.once().code == 0
    assert all(len(kafka.read(name)) == len(TIMES) for name in names)


def test_librdkafkas_own_settings_may_be_given_and_wrong_ones_are_told(
    site: Site, kafka: MockKafka, topic: str
) -> None:
    queue(site, "zipped", kafka, topic, **{"compression.type": "gzip"})
    queue(site, "wrong", kafka, topic, **{"socket.timeout.ms": "soon"})
    queue(site, "careless", kafka, topic, **{"message.timeout.ms": 1})
    result = site.once()
    assert result.code == 78
    told = {line.split("[[")[1].partition("]]")[0]: line for line in result.stderr.splitlines()}
    assert "[[wrong]] socket.timeout.ms: " in told["wrong"]
    assert "[[careless]] message.timeout.ms: is not to be set: " in told["careless"]
    assert len(kafka.read(topic)) == len(TIMES)


def test_messages_that_a_broker_will_never_take_are_set_aside(site: Site, kafka: MockKafka, topic: str) -> None:
    queue(site, "large", kafka, topic)
    site.line("good")
    kafka.fail(*[TOO_LARGE] * 40)
    result = site.once()
    assert result.code == 1
    assert "payloads set aside (1): " in said(result)["large"]
    assert list(site.geckoboard.widgets) == ["good"]
    assert "kafka: large" in site.commands.run("metrics-importer", "outbox", "list").stdout.partition("REJECTED")[2]


@pytest.mark.slow  # librdkafka waits half of the 30 s for a topic that may be about to be made
def test_a_topic_that_is_not_there_is_told_and_what_was_kept_is_sent_once_it_is(
    site: Site, kafka: MockKafka, topic: str
) -> None:
    kafka.topic_error(topic, UNKNOWN_TOPIC)
    queue(site, "numbers", kafka, topic)
    result = site.once()
    assert result.code == 1
    assert said(result)["numbers"].startswith("not pushed, kept: ")
    assert "make the topic, or correct topic" in said(result)["numbers"]
    kafka.topic_error(topic, 0)
    assert (result := site.once()).code == 0, result.stderr
    assert [message.value for message in kafka.read(topic)] == EXPECTED["response_timeseries"] * 2


@pytest.mark.slow  # after 30 s a broker counts as one that cannot be reached
def test_brokers_that_cannot_be_reached_are_told_and_get_everything_later(
    site: Site, kafka: MockKafka, topic: str
) -> None:
    queue(site, "numbers", kafka, topic)
    site.line("good")
    kafka.down()
    result = site.once()
    assert result.code == 1
    assert said(result).keys() == {"numbers"}
    assert said(result)["numbers"].startswith("not pushed, kept: ")
    assert list(site.geckoboard.widgets) == ["good"]
    kafka.up()
    assert (result := site.once()).code == 0, result.stderr
    assert [message.value for message in kafka.read(topic)] == EXPECTED["response_timeseries"] * 2


def test_without_the_library_its_searches_are_told_and_the_others_pushed(site: Site, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "confluent_kafka"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError('no librdkafka on this machine')\n")
    site.search("numbers", {"service": "kafka", "brokers": "127.0.0.1:1", "topic": "t"})
    site.line("good")
    result = site.once(env={"PYTHONPATH": str(missing.parent)})
    assert result.code == 78
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"leexportpy: {site.config}: [Searches] [[numbers]] ")
    assert "needs the library confluent-kafka, which is not installed: pip install 'metrics-importer[kafka]'" in line
    assert list(site.geckoboard.widgets) == ["good"]


def test_without_the_library_other_services_run_as_ever(site: Site, tmp_path: Path) -> None:
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError('no librdkafka on this machine')\n")
    site.line("good")
    site.search("stored", {"service": "sqlite", "metric_name": "a"})
    result = site.once(env={"PYTHONPATH": str(tmp_path)})
    assert (result.code, result.stderr) == (0, "")
