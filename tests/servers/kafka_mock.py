"""librdkafka's mock cluster as a process: `python -m tests.servers.kafka_mock BROKERS`.

It prints where its brokers listen, then takes one call a line, a JSON array of a name and its arguments, and answers
each with the line `null`. It ends at the end of its standard input. What the calls do is told in
librdkafka's src/rdkafka_mock.h, to which ctypes gives access: the Python library has no way to it but
`test.mock.num.brokers`, which cannot be told to fail.
"""

import ctypes
import json
import sys
from collections.abc import Callable

from confluent_kafka import cimpl

ALL_BROKERS = -1
PRODUCER = 0
GROUP_DELAY_MS = 100
"""How long the first member of a consumer group waits for others; it would be three seconds."""

LIBRARY = ctypes.CDLL(cimpl.__file__)  # names of what a library is linked with are found through it


def function(name: str, result: type | None, *arguments: type) -> Callable[..., object]:
    """Return a function of librdkafka."""
    found = LIBRARY[name]
    found.restype, found.argtypes = result, arguments
    return found


class Mock:
    """A cluster of mock brokers on 127.0.0.1, which live as long as this process."""

    def __init__(self, brokers: int) -> None:
        new = function("rd_kafka_new", ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
        cluster_new = function("rd_kafka_mock_cluster_new", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
        self._cluster = cluster_new(new(PRODUCER, None, None, 0), brokers)
        set_delay = function("rd_kafka_mock_group_initial_rebalance_delay_ms", None, ctypes.c_void_p, ctypes.c_int32)
        set_delay(self._cluster, GROUP_DELAY_MS)

    def bootstraps(self) -> str:
        """Return where the brokers listen, host:port,host:port."""
        text = function("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, ctypes.c_void_p)(self._cluster)
        assert isinstance(text, bytes)
        return text.decode()

    def down(self) -> None:
        """Close all connections, and take no more."""
        function("rd_kafka_mock_broker_set_down", ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(
            self._cluster, ALL_BROKERS
        )

    def up(self) -> None:
        """Take connections again."""
        function("rd_kafka_mock_broker_set_up", ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(self._cluster, ALL_BROKERS)

    def create_topic(self, topic: str, partitions: int) -> None:
        """Make a topic; without that one is made, of four partitions, when somebody asks for it."""
        create = function(
            *("rd_kafka_mock_topic_create", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)
        )
        create(self._cluster, topic.encode(), partitions, 1)

    def topic_error(self, topic: str, code: int) -> None:
        """Answer who asks for a topic with an error, 0 for none."""
        set_error = function("rd_kafka_mock_topic_set_error", None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
        set_error(self._cluster, topic.encode(), code)

    def fail(self, request: int, codes: list[int]) -> None:
        """Answer the next requests of a kind with these errors, one each."""
        push = function(
            *("rd_kafka_mock_push_request_errors_array", None),
            *(ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_void_p),
        )
        push(self._cluster, request, len(codes), (ctypes.c_int * len(codes))(*codes))

    def recover(self, request: int) -> None:
        """Forget the errors that have not been answered yet."""
        function("rd_kafka_mock_clear_request_errors", None, ctypes.c_void_p, ctypes.c_int16)(self._cluster, request)


def main() -> None:
    """Serve until the end of standard input."""
    mock = Mock(int(sys.argv[1]))
    print(mock.bootstraps(), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(mock, name)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
