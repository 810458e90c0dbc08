"""KafkaSink against a real broker: what no other one can show."""

import pytest

from importer.credentials import Secret
from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.sinks.kafka import KafkaSink, messages_payload
from tests.servers.kafka import BACK_SOON
from tests.servers.kafka_broker import PASSWORD, KafkaBroker


def sink_for(broker: KafkaBroker, topic: str, *, user: str = "", password: str = PASSWORD) -> KafkaSink:
    if not user:
        return KafkaSink(brokers=broker.brokers, topic=topic, settings=BACK_SOON, timeout_seconds=4)
    login = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": Secret(password),
    }
    return KafkaSink(brokers=broker.sasl_brokers, topic=topic, settings=login, timeout_seconds=2)


def values(broker: KafkaBroker, topic: str) -> list[str]:
    return [message.value for message in broker.read(topic)]


@pytest.mark.slow
def test_a_broker_that_was_killed_and_comes_back_has_each_message_once_and_in_order(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("killed")
    sink = sink_for(kafka_broker, "killed")
    sink.deliver(messages_payload([("n", str(number)) for number in range(500)]))
    kafka_broker.kill()
    kafka_broker.start()
    sink.deliver(messages_payload([("n", str(number)) for number in range(500, 1000)]))
    sink.close()
    assert values(kafka_broker, "killed") == [str(number) for number in range(1000)]


def test_a_user_with_the_right_password_may_write(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("login")
    sink = sink_for(kafka_broker, "login", user="writer")
    sink.deliver(messages_payload([(None, "1")]))
    assert "partitions=1" in sink.check()
    sink.close()
    assert values(kafka_broker, "login") == ["1"]


@pytest.mark.parametrize("use", ["deliver", "check"])
def test_a_wrong_password_is_refused_with_the_keys_to_mend_and_without_the_password(
    kafka_broker: KafkaBroker, use: str
) -> None:
    sink = sink_for(kafka_broker, "login", user="writer", password="battery staple")
    with pytest.raises(SinkRefused, match=r"correct security\.protocol, .* or sasl\.password$") as caught:
        sink.deliver(messages_payload([(None, "1")])) if use == "deliver" else sink.check()
    sink.close()
    assert "Authentication failed" in str(caught.value)
    assert "battery" not in str(caught.value)


def test_a_user_without_the_right_to_write_is_refused(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("forbidden")
    sink = sink_for(kafka_broker, "forbidden", user="stranger")
    with pytest.raises(SinkRefused, match=r"Topic authorization failed .*: let this user write to the topic"):
        sink.deliver(messages_payload([(None, "1")]))
    sink.close()
    assert values(kafka_broker, "forbidden") == []


def test_a_topic_that_is_not_there_is_refused_until_it_is_made(kafka_broker: KafkaBroker) -> None:
    sink = sink_for(kafka_broker, "missing")
    assert "no such topic yet" in sink.check()
    with pytest.raises(SinkRefused, match=r"Unknown topic .*: make the topic, or correct topic"):
        sink.deliver(messages_payload([(None, "1")]))
    kafka_broker.create_topic("missing")
    sink.deliver(messages_payload([(None, "2")]))
    sink.close()
    assert values(kafka_broker, "missing") == ["2"]


def test_messages_that_are_too_large_together_arrive_all_the_same(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("small", max_message_bytes=600)
    sink = sink_for(kafka_broker, "small")
    sent = [f"{number:0100}" for number in range(40)]
    sink.deliver(messages_payload([(None, text) for text in sent]))
    sink.close()
    assert sorted(values(kafka_broker, "small")) == sent


def test_only_the_message_that_is_too_large_by_itself_is_rejected(kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("smaller", max_message_bytes=600)
    sink = sink_for(kafka_broker, "smaller")
    sent = [f"{number:0100}" for number in range(40)]
    with pytest.raises(Rejected, match=r"Message size too large \(1 of 41 messages not delivered\)"):
        sink.deliver(messages_payload([(None, text) for text in (*sent[:20], "x" * 1000, *sent[20:])]))
    sink.close()
    assert sorted(values(kafka_broker, "smaller")) == sent


def test_a_client_that_does_not_log_in_where_it_has_to_is_told_that_nothing_was_confirmed(
    kafka_broker: KafkaBroker,
) -> None:
    sink = KafkaSink(brokers=kafka_broker.sasl_brokers, topic="login", timeout_seconds=1)
    with pytest.raises(SinkUnavailable, match="not confirmed within 1 s"):
        sink.deliver(messages_payload([(None, "1")]))
    sink.close()
