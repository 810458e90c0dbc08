from importer.events.event import EVENTS_FORMAT
from importer.events.kafka.batch import Batch
from importer.points import Payload

LINES = [b'{"time":%d,"event":{"event":"x"}}' % number for number in range(4)]


def filled() -> Batch:
    """Return a batch of partition 0 with two events, and of partition 1 with an event and a poison message."""
    batch = Batch()
    for partition, offset, value in ((0, 7, LINES[0]), (1, 3, b"poison"), (0, 8, LINES[1]), (1, 5, LINES[2])):
        batch.add(partition, offset, value)
    return batch


def test_a_batch_is_one_payload_in_the_order_of_its_messages_and_what_is_no_event_beside_it() -> None:
    batch = filled()
    assert batch.payload == Payload(b"\n".join(LINES[:3]) + b"\n", 3, EVENTS_FORMAT)
    ((payload, reason),) = batch.rejects
    assert payload.data == b"poison\n"
    assert reason.startswith("partition 1, offset 3: ")


def test_the_ends_are_behind_the_last_messages() -> None:
    assert filled().ends == {0: 9, 1: 6}


def test_a_partition_that_is_given_up_leaves_nothing_behind() -> None:
    batch = filled()
    batch.forget([1])
    assert batch.payload == Payload(b"\n".join(LINES[:2]) + b"\n", 2, EVENTS_FORMAT)
    assert (batch.rejects, batch.ends) == ([], {0: 9})
    batch.forget([0])
    assert (batch.payload, batch.ends) == (None, {})


def test_what_the_store_will_not_take_stays_to_be_set_aside_whoever_reads_the_partition() -> None:
    batch = filled()
    part = Payload(LINES[0] + b"\n", 1, EVENTS_FORMAT)
    batch.delivered([(part, "too large")])
    batch.forget([0, 1])
    assert (batch.payload, batch.rejects) == (None, [(part, "too large")])
    batch.set_aside(1)
    assert batch.rejects == []


def test_what_is_no_event_is_one_line_that_harms_no_other_when_it_is_tried_again() -> None:
    batch = Batch()
    batch.add(0, 0, b'{"event":\r\n{"a":1},\n"time":"x"}\n')
    batch.add(0, 1, b"")
    assert [payload.data for payload, _ in batch.rejects] == [b'{"event":  {"a":1}, "time":"x"} \n', b"\n"]
