import json
import logging
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st
from requests import certs

from importer.config import ObjectReader, Unusable
from importer.credentials import Secret
from importer.errors import ConfigError, Rejected, SinkError, SinkRefused, SinkUnavailable
from importer.points import Payload, Point
from importer.sinks.kafka import KafkaSink, messages_payload, parse_brokers
from importer.sinks.kafka_failure import Outcome, Trouble
from tests.servers.kafka import BACK_SOON, INIT_PRODUCER_ID, MockKafka, Received, unused_topic
from tests.servers.process import wait_until
from tests.sinks.strategies import ANY_TEXT, POINTS

POINT = Point(("shop", "Bike Shop", "dau"), 48213, 1462147200, (("zone", "eu"),))
PASSWORD = "correct horse battery staple"
PRODUCER = "kafka producer"
"""The name of the thread that every producer has."""

Open = Callable[..., KafkaSink]


@pytest.fixture
def open_sink(kafka: MockKafka, topic: str) -> Iterator[Open]:
    """`open_sink(**options)` makes a sink, which is closed after the test."""
    sinks: list[KafkaSink] = []

    def build(**options: object) -> KafkaSink:
        defaults = {"brokers": kafka.brokers, "topic": topic, "settings": BACK_SOON, "timeout_seconds": 20.0}
        sinks.append(KafkaSink(**{**defaults, **options}))
        return sinks[-1]

    yield build
    for sink in sinks:
        sink.close()
    wait_until(lambda: not producers(), lambda: f"{producers()} producers run on", deadline_seconds=30)


def payload(*values: str, key: str | None = None) -> Payload:
    return messages_payload([(key, value) for value in values])


def values(kafka: MockKafka, topic: str) -> list[str]:
    return [message.value for message in kafka.read(topic)]


def producers() -> int:
    """Return how many producers this process has."""
    return sum(thread.name == PRODUCER for thread in threading.enumerate())


def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_point_is_a_json_message_whose_key_is_what_it_is_about() -> None:
    (encoded,) = KafkaSink(brokers="k:1", topic="t").encode([POINT])
    ((key, value),) = json.loads(encoded.data)
    assert key == 'shop.Bike_Shop.dau{"zone":"eu"}'
    assert value == '{"name":"shop.Bike_Shop.dau","labels":{"zone":"eu"},"value":48213,"timestamp":1462147200}'
    assert (encoded.points, encoded.format) == (1, "messages")


def test_a_point_without_labels_has_its_name_for_a_key() -> None:
    (encoded,) = KafkaSink(brokers="k:1", topic="t").encode([Point(("shop", "dau"), 1, 60)])
    assert json.loads(encoded.data)[0][0] == "shop.dau"


def test_payloads_have_at_most_max_buffer_messages_in_the_order_of_the_points() -> None:
    points = [Point(("n",), number, 60) for number in range(7)]
    payloads = KafkaSink(brokers="k:1", topic="t", max_buffer=3).encode(iter(points))
    assert [each.points for each in payloads] == [3, 3, 1]
    messages = [json.loads(value) for each in payloads for _, value in json.loads(each.data)]
    assert [message["value"] for message in messages] == [*range(7)]


@given(st.lists(POINTS, min_size=1, max_size=4))
def test_a_reader_of_the_messages_gets_every_number_back(points: list[Point]) -> None:
    payloads = KafkaSink(brokers="k:1", topic="t").encode(points)
    messages = [json.loads(value) for each in payloads for _, value in json.loads(each.data)]
    assert [(message["value"], message["timestamp"]) for message in messages] == [
        (point.value, point.timestamp) for point in points
    ]


def test_a_truth_value_is_written_as_the_number_it_is() -> None:
    (encoded,) = KafkaSink(brokers="k:1", topic="t").encode([Point(("up",), True, 60)])
    assert '"value":1.0' in json.loads(encoded.data)[0][1]


@given(st.lists(st.tuples(st.none() | ANY_TEXT, ANY_TEXT), max_size=4))
def test_a_payload_of_messages_holds_keys_and_values_of_any_text(messages: list[tuple[str | None, str]]) -> None:
    encoded = messages_payload(messages)
    assert encoded.points == len(messages)
    writable = [tuple(text and text.encode("utf-8", "replace").decode() for text in message) for message in messages]
    assert [tuple(message) for message in json.loads(encoded.data)] == writable


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("kafka.example.org:9092", "kafka.example.org:9092"),
        (" a:1 , b:2 ", "a:1,b:2"),
        (["a:1", " b:2"], "a:1,b:2"),
        ("“a:1, b:2”", "a:1,b:2"),
        (["“a:1", "b:2”"], "a:1,b:2"),
        ("\u2018a:1\u2019", "a:1"),
        ("[::1]:9092,10.0.0.1:65535", "[::1]:9092,10.0.0.1:65535"),
    ],
)
def test_brokers_are_read_from_text_and_lists_without_blanks_and_quotes(given_value: object, expected: str) -> None:
    assert parse_brokers(given_value) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "",
            "kafka",
            "kafka:",
            ":9092",
            "kafka:0",
            "kafka:65536",
            "kafka:x",
            "a:1,",
            "a:1,,b:2",
            "http://a:1",
            "a b:1",
        ),
        *("a:1\nb:2", [], [1], None, 9092, {"a": 1}),
    ],
)
def test_what_are_no_brokers_is_told_in_one_line(wrong: object) -> None:
    with pytest.raises(ValueError, match="host:port") as caught:
        parse_brokers(wrong)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"brokers": "kafka"}, "host:port"),
        ({"topic": ""}, "topic"),
        ({"topic": "a b"}, "topic"),
        ({"topic": ".."}, "topic"),
        ({"topic": "x" * 250}, "topic"),
        ({"max_buffer": 0}, "max_buffer"),
        ({"settings": {"acks": "1"}}, "acks is not to be set"),
        (
            {"settings": {"no.such.thing": "1"}},
            "no.such.thing is refused by librdkafka: No such configuration property",
        ),
        ({"settings": {"linger.ms": "60000"}}, "linger.ms"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        KafkaSink(**{"brokers": "k:1", "topic": "t", **options})


@pytest.mark.parametrize("name", ["events.Daily_1-b", "...", "x" * 249])
def test_the_lane_is_the_brokers_and_the_topic(name: str) -> None:
    sink = KafkaSink(brokers="a:1, b:2", topic=name)
    assert sink.lane == f"kafka://a:1,b:2/{name}"
    assert sink.family == f"kafka {name}"


def test_a_lane_of_another_name_may_be_given() -> None:
    assert KafkaSink(brokers="a:1", topic="t", lane="kafka: checkout").lane == "kafka: checkout"


def read_keys(tmp_path: Path, **keys: object) -> tuple[KafkaSink, ObjectReader]:
    described = {"protocol": "kafka", "brokers": "k:1", "topic": "t", **keys}
    reader = ObjectReader(tmp_path / "graphite.json", described)
    reader.value("protocol")
    return KafkaSink.from_keys(reader, state=tmp_path), reader


def problems(reader: ObjectReader) -> list[str]:
    reader.refuse_unknown()
    return [str(problem).removeprefix(f"{reader.file}: ") for problem in reader.problems]


def test_keys_are_found_by_a_text_in_their_names(tmp_path: Path) -> None:
    reader = ObjectReader(tmp_path, {"b.c": 1, "topic": 2, "a.b": 3})
    assert reader.keys_with(".") == ["b.c", "a.b"]


def test_keys_with_a_dot_are_settings_of_librdkafka(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    sink, reader = read_keys(
        tmp_path,
        **{
            "max_buffer": "50",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "importer",
            "sasl.password_file": "password",
            "socket.timeout.ms": 5000,
            "socket.keepalive.enable": True,
            "ssl.cipher.suites": ["A", "B"],
            "client.rack": None,
        },
    )
    assert problems(reader) == []
    assert dict(sink._cluster.settings) == {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "importer",
        "sasl.password": Secret(PASSWORD),
        "socket.timeout.ms": "5000",
        "socket.keepalive.enable": "true",
        "ssl.cipher.suites": "A,B",
    }
    assert PASSWORD not in repr(sink._cluster)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"brokers": None}, "brokers: is empty; a list of text is expected"),
        ({"brokers": "kafka"}, "brokers: 'kafka' is not host:port, such as kafka.example.org:9092"),
        ({"brokers": 9092}, "brokers: a number is not a list of text"),
        ({"topic": None}, "topic: is empty; text is expected"),
        ({"topic": "a b"}, "topic: must be of letters, digits, dots, _ and -, 249 of them at most"),
        ({"max_buffer": 0}, "max_buffer: 0 is not a whole number of 1 or more"),
        ({"acks": 0}, "acks: improper key"),
        (
            {"enable.idempotence": False},
            "enable.idempotence: is not to be set: with another value messages could get lost or out of order",
        ),
        ({"bootstrap.servers": "k:1"}, "bootstrap.servers: is not to be set: brokers says it"),
        ({"linger.ms": [1]}, "linger.ms: is neither text, a number nor a truth value"),
        ({"sasl.password": 1}, "sasl.password: a number is not text"),
        (
            {"sasl.mechanisms": "PLAIN", "security.protocol": "sasl_ssl"},
            "security.protocol: is refused by librdkafka: Failed to create producer:"
            " sasl.username and sasl.password must be set",
        ),
        (
            {"security.protokol": "ssl"},
            'security.protokol: is refused by librdkafka: No such configuration property: "security.protokol"',
        ),
        (
            {"client.rack": "a", "linger.ms": "soon"},
            'linger.ms: is refused by librdkafka: Invalid value for configuration property "queue.buffering.max.ms"',
        ),
        (
            {"compression.type": "zap"},
            'compression.type: is refused by librdkafka: Invalid value "zap" for configuration property'
            ' "compression.codec"',
        ),
    ],
)
def test_a_mistake_in_the_keys_is_told_in_one_line(tmp_path: Path, keys: dict[str, object], told: str) -> None:
    _, reader = read_keys(tmp_path, **keys)
    assert problems(reader) == [told]


def test_a_secret_that_librdkafka_refuses_is_not_shown(tmp_path: Path) -> None:
    _, reader = read_keys(tmp_path, **{"security.protocol": "ssl", "ssl.key.pem": PASSWORD})
    (told,) = problems(reader)
    assert told.startswith("ssl.key.pem: is refused by librdkafka: ")
    assert PASSWORD not in told


def test_an_ini_value_that_cannot_be_filled_in_is_told(tmp_path: Path) -> None:
    _, reader = read_keys(tmp_path, **{"client.rack": Unusable("missing option rack")})
    assert problems(reader) == ["client.rack: missing option rack"]


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let confluent-kafka seem not to be installed."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)


INSTALL = r"pip install 'metrics-importer\[kafka\]', or apt install python3-confluent-kafka"


@pytest.mark.usefixtures("without_library")
def test_without_the_library_a_sink_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=INSTALL):
        KafkaSink(brokers="k:1", topic="t")


@pytest.mark.usefixtures("without_library")
def test_without_the_library_the_protocol_is_the_mistake_beside_any_others(tmp_path: Path) -> None:
    sink, reader = read_keys(tmp_path, **{"topic": "a b", "linger.ms": 5})
    first, second = problems(reader)
    assert first.startswith("protocol: needs the library confluent-kafka, which is not installed: pip install")
    assert second.startswith("topic: ")
    with pytest.raises(ConfigError, match=INSTALL):
        sink.check()


@pytest.mark.usefixtures("without_library")
def test_without_the_library_a_search_is_told_by_the_key_that_it_has(tmp_path: Path) -> None:
    _, reader = read_keys(tmp_path, protocol=None, service="kafka")
    (told,) = reader.problems
    assert str(told).startswith(f"{reader.file}: service: needs the library confluent-kafka, which is not installed")


def test_the_module_is_imported_without_the_library() -> None:
    script = "import sys; sys.modules['confluent_kafka'] = None; import importer.sinks.kafka"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_messages_arrive_in_order_each_with_its_key_or_without(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    open_sink().deliver(messages_payload([(None, "4021.0"), ("é", "grün"), ("", "")]))
    assert kafka.read(topic) == [Received(None, "4021.0"), Received("é", "grün"), Received("", "")]


def test_a_payload_of_no_messages_is_delivered_at_once(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    open_sink().deliver(messages_payload([]))
    assert kafka.read(topic) == []


def test_messages_of_one_key_are_in_one_partition(kafka: MockKafka, open_sink: Open) -> None:
    name = kafka.new_topic(partitions=4)
    sink = open_sink(topic=name)
    for number in range(5):
        sink.deliver(messages_payload([(key, str(number)) for key in "abcdefgh"]))
    read = kafka.read(name)
    for key in "abcdefgh":
        assert [message.value for message in read if message.key == key] == ["0", "1", "2", "3", "4"]
        assert len({message.partition for message in read if message.key == key}) == 1
    assert len({message.partition for message in read}) > 1


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'[["key"]]', b'[["key",1]]', b"[[1,2]]", b"\xff"])
def test_a_damaged_payload_is_rejected(open_sink: Open, data: bytes) -> None:
    with pytest.raises(Rejected, match="the kept payload is damaged"):
        open_sink().deliver(Payload(data, points=1, format="messages"))


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.INVALID_MSG,
        KafkaError._TRANSPORT,
    ],
)
def test_what_heals_within_the_time_is_no_failure_and_doubles_nothing(
    kafka: MockKafka, topic: str, open_sink: Open, code: int
) -> None:
    kafka.fail(code)
    open_sink().deliver(payload("1", "2", "3"))
    assert values(kafka, topic) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "let this user write to the topic, or correct topic"),
        (KafkaError.TOPIC_EXCEPTION, "correct topic"),
        (KafkaError.UNSUPPORTED_COMPRESSION_TYPE, "correct compression.type"),
    ],
)
def test_a_refusal_names_what_to_mend_and_is_forgotten_at_the_next_try(
    kafka: MockKafka, topic: str, open_sink: Open, code: int, hint: str
) -> None:
    sink = open_sink()
    kafka.fail(code)
    with pytest.raises(SinkRefused) as caught:
        sink.deliver(payload("1"))
    assert str(caught.value).startswith(f"{sink.lane}: Broker: ")
    assert str(caught.value).endswith(f" (1 of 1 messages not delivered): {hint}")
    sink.deliver(payload("1"))
    assert values(kafka, topic) == ["1"]


def test_missing_rights_to_write_idempotently_are_refused(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink = open_sink()
    kafka.fail(KafkaError.CLUSTER_AUTHORIZATION_FAILED, request=INIT_PRODUCER_ID)
    with pytest.raises(SinkRefused, match="IdempotentWrite on the cluster"):
        sink.deliver(payload("1", "2"))
    sink.deliver(payload("1", "2"))
    assert values(kafka, topic) == ["1", "2"]


def test_a_topic_that_is_not_there_is_refused_until_it_is(kafka: MockKafka, open_sink: Open) -> None:
    name = unused_topic()
    kafka.topic_error(name, KafkaError.UNKNOWN_TOPIC_OR_PART)
    sink = open_sink(topic=name, timeout_seconds=2.0)
    with pytest.raises(SinkRefused, match="make the topic, or correct topic"):
        sink.deliver(payload("1"))
    kafka.topic_error(name, 0)
    sink.deliver(payload("1"))
    assert values(kafka, name) == ["1"]


@pytest.mark.parametrize("code", [KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP])
def test_invalid_messages_are_rejected(kafka: MockKafka, topic: str, open_sink: Open, code: int) -> None:
    kafka.fail(code)
    with pytest.raises(Rejected, match=r"\(2 of 2 messages not delivered\)"):
        open_sink().deliver(payload("1", "2"))
    assert values(kafka, topic) == []


def test_a_batch_that_is_too_large_is_sent_in_parts(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    kafka.fail(KafkaError.MSG_SIZE_TOO_LARGE)
    open_sink().deliver(payload("1", "2", "3", "4", "5"))
    assert values(kafka, topic) == ["1", "2", "3", "4", "5"]


def test_a_message_that_is_too_large_by_itself_is_rejected_once_the_others_are_delivered(
    kafka: MockKafka, topic: str, open_sink: Open
) -> None:
    sink = open_sink(settings={"message.max.bytes": "2000"})
    with pytest.raises(Rejected, match=r"Message size too large \(1 of 5 messages not delivered\)"):
        sink.deliver(payload("1", "2", "x" * 3000, "4", "5"))
    assert values(kafka, topic) == ["1", "2", "4", "5"]


def test_an_outage_while_parts_are_sent_keeps_the_payload(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink = open_sink(timeout_seconds=2.0)
    kafka.fail(KafkaError.MSG_SIZE_TOO_LARGE, *[KafkaError.NOT_ENOUGH_REPLICAS] * 100)
    with pytest.raises(SinkUnavailable):
        sink.deliver(payload("1", "2"))
    kafka.recover()
    sink.deliver(payload("1", "2"))
    assert values(kafka, topic) == ["1", "2"]


@pytest.mark.parametrize("code", [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.INVALID_PRODUCER_ID_MAPPING])
def test_after_a_fatal_error_the_next_try_has_a_new_producer(
    kafka: MockKafka, topic: str, open_sink: Open, code: int
) -> None:
    sink = open_sink()
    sink.deliver(payload("1"))
    kafka.fail(code)
    with pytest.raises(SinkUnavailable, match="messages not delivered"):
        sink.deliver(payload("2", "3"))
    sink.deliver(payload("2", "3"))
    assert values(kafka, topic) == ["1", "2", "3"]
    assert producers() == 1


def test_a_broker_that_is_away_is_unavailable_with_the_reason(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink = open_sink(timeout_seconds=3.0)
    sink.deliver(payload("1"))
    kafka.down()
    with pytest.raises(SinkUnavailable, match=r"not confirmed within 3 s: .*Connection refused \(1 of 1 messages"):
        sink.deliver(payload("2"))
    kafka.up()
    sink.deliver(payload("2"))
    assert values(kafka, topic) == ["1", "2"]


def test_a_broker_that_hangs_is_unavailable_and_gets_the_payload_again(
    kafka: MockKafka, topic: str, open_sink: Open
) -> None:
    sink = open_sink(timeout_seconds=4.0)  # a busy machine takes its time for the first message
    sink.deliver(payload("1"))
    kafka.pause()
    with pytest.raises(SinkUnavailable, match="not confirmed within 4 s"):
        sink.deliver(payload("2", "3"))
    kafka.resume()
    sink.deliver(payload("2", "3"))
    assert values(kafka, topic)[-2:] == ["2", "3"]


def test_brokers_that_never_were_there_are_unavailable(open_sink: Open) -> None:
    sink = open_sink(brokers=unused_address(), timeout_seconds=1.0)
    for attempt in (lambda: sink.deliver(payload("1")), sink.check):
        with pytest.raises(SinkUnavailable, match="Connection refused"):
            attempt()


def test_brokers_where_one_cannot_log_in_are_refused(open_sink: Open) -> None:
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "importer"}
    sink = open_sink(settings={**login, "sasl.password": Secret(PASSWORD)}, timeout_seconds=1.0)
    for attempt in (lambda: sink.deliver(payload("1")), sink.check):
        with pytest.raises(
            SinkRefused, match=r"correct security\.protocol, sasl\.mechanism, sasl\.username or"
        ) as caught:
            attempt()
        assert PASSWORD not in str(caught.value)


def test_a_file_that_has_gone_since_is_told_at_delivery(open_sink: Open, tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    shutil.copy(certs.where(), authorities)
    sink = open_sink(settings={"security.protocol": "ssl", "ssl.ca.location": str(authorities)})
    authorities.unlink()
    with pytest.raises(SinkRefused, match=r"ssl\.ca\.location failed: .*: correct librdkafka's settings"):
        sink.deliver(payload("1"))


def test_nothing_is_connected_before_the_first_delivery(open_sink: Open) -> None:
    sink = open_sink()
    sink.encode([POINT])
    assert producers() == 0
    sink.deliver(payload("1"))
    assert producers() == 1


def test_sinks_of_the_same_brokers_and_settings_share_a_producer_until_the_last_one_closes(
    kafka: MockKafka, topic: str, open_sink: Open
) -> None:
    first, second = open_sink(), open_sink(settings=dict(reversed(BACK_SOON.items())))
    first.deliver(payload("1"))
    second.deliver(payload("2"))
    assert producers() == 1
    first.close()
    second.deliver(payload("3"))
    assert producers() == 1
    second.close()
    assert producers() == 0
    first.deliver(payload("4"))
    assert values(kafka, topic) == ["1", "2", "3", "4"]


def test_sinks_of_other_settings_have_producers_of_their_own(open_sink: Open) -> None:
    for client in ("one", "two"):
        open_sink(settings={"client.id": client}).deliver(payload("1"))
    assert producers() == 2


def test_a_lane_waits_for_its_own_messages_only(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    missing = unused_topic()
    kafka.topic_error(missing, KafkaError.UNKNOWN_TOPIC_OR_PART)
    stuck, lively = open_sink(topic=missing), open_sink()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stuck.deliver, payload("in the end"))
        wait_until(producers, lambda: "no producer was made", deadline_seconds=30)
        for number in range(3):
            lively.deliver(payload(str(number)))
        assert not waiting.done()
        kafka.topic_error(missing, 0)
        waiting.result(30)
    assert values(kafka, topic) == ["0", "1", "2"]
    assert values(kafka, missing) == ["in the end"]


def test_many_lanes_at_once_deliver_everything_in_order(kafka: MockKafka, open_sink: Open) -> None:
    names = [kafka.new_topic() for _ in range(8)]
    sinks = [open_sink(topic=name) for name in names]
    wanted = [str(number) for number in range(300)]

    def deliver(sink: KafkaSink) -> None:
        for start in range(0, 300, 30):
            sink.deliver(payload(*wanted[start : start + 30]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deliver, sinks))
    assert producers() == 1
    assert [values(kafka, name) for name in names] == [wanted] * 8


def test_closing_ends_a_delivery_that_another_thread_waits_for(open_sink: Open) -> None:
    sink = open_sink(brokers=unused_address(), timeout_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sink.deliver, payload("1"))
        wait_until(producers, lambda: "no producer was made", deadline_seconds=30)
        sink.close()
        error = waiting.exception(30)
    assert isinstance(error, SinkUnavailable)
    assert "the producer was closed before all messages were confirmed" in str(error)
    assert producers() == 0


def test_check_tells_of_the_cluster_and_makes_no_topic(kafka: MockKafka, topic: str, open_sink: Open) -> None:
    sink, other = open_sink(), open_sink(topic="never-made")
    assert sink.check().endswith(" brokers=1 partitions=1")
    for _ in range(2):
        assert other.check().endswith(" brokers=1 no such topic yet")


def test_librdkafka_logs_to_our_log_alone_without_secrets_and_each_line_once(
    kafka: MockKafka, open_sink: Open, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "importer"}
    sink = open_sink(settings={**login, "sasl.password": Secret(PASSWORD)}, timeout_seconds=1.0)
    with pytest.raises(SinkError):
        sink.deliver(payload("1"))
    said = [record for record in caplog.records if record.getMessage().startswith("librdkafka: ")]
    failed = [record for record in said if "Failed to initialize SASL authentication" in record.getMessage()]
    assert [record.levelname for record in failed] == ["INFO"]
    assert {record.levelno for record in said} <= {logging.DEBUG, logging.INFO}
    assert PASSWORD not in caplog.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("code", [name for name in dir(KafkaError) if name.isupper()])
def test_every_error_of_librdkafka_has_an_outcome_and_an_error_of_ours(code: str) -> None:
    trouble = Trouble(code, "reason")
    error = trouble.sink_error("lane")
    expected = {
        Outcome.UNAVAILABLE: SinkUnavailable,
        Outcome.REFUSED: SinkRefused,
        Outcome.REJECTED: Rejected,
    }[trouble.outcome]
    assert type(error) is expected
    assert str(error).startswith("lane: reason")


def test_every_error_that_we_name_is_one_of_librdkafkas() -> None:
    from importer.sinks import kafka_failure

    named = {*kafka_failure._REFUSALS, *kafka_failure._REJECTIONS, "_ALL_BROKERS_DOWN", "_MSG_TIMED_OUT"}
    assert sorted(named - set(dir(KafkaError))) == []
