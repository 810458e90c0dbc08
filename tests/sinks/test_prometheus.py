import itertools
import logging
import re
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from queue import SimpleQueue
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.config import ObjectReader
from importer.credentials import Secret
from importer.errors import Rejected, SinkRefused, SinkUnavailable
from importer.points import Payload, Point
from importer.simulators.base import Answer, HttpSimulator
from importer.sinks import prometheus
from importer.sinks.exposition import Reading, Series, SeriesTable
from importer.sinks.prometheus import PrometheusSink, Textfile
from importer.sinks.prometheus_port import ServedPort
from importer.sinks.pushgateway import Group, Pushgateway
from importer.sinks.sample_file import SampleFile
from tests.sinks.receivers import Receiver, close_at_once
from tests.sinks.strategies import POINTS
from tests.sinks.test_exposition import read_back

NOW = 1_462_147_200
DAU = Point(("shop", "dau"), 48213, NOW)
DAU_LINE = b"shop_dau 48213.0"
AGE = "metrics_importer_newest_sample_timestamp_seconds"


def read_keys(state: Path, **values: object) -> tuple[PrometheusSink, list[str]]:
    keys = ObjectReader(Path("graphite.json"), values)
    sink = PrometheusSink.from_keys(keys, state=state)
    return sink, [f"{problem.key}: {problem.what}" for problem in (*keys.problems, *keys.unknown())]


def sink_of(state: Path, **values: object) -> PrometheusSink:
    sink, problems = read_keys(state, **values)
    assert problems == []
    return sink


def deliver(sink: PrometheusSink, *points: Point) -> None:
    for payload in sink.encode(points):
        sink.deliver(payload)


def values_in(text: bytes) -> dict[str, float]:
    return {series.name: value for series, value in read_back(text).items()}


def fetch(port: int, path: str = "/metrics") -> tuple[bytes, HTTPMessage]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read(), answer.headers


def scraped(port: int) -> dict[str, float]:
    return values_in(fetch(port)[0])


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture
def textfile(tmp_path: Path) -> Path:
    return tmp_path / "importer.prom"


# What is kept of points


def test_a_payload_holds_the_newest_sample_of_each_series(tmp_path: Path) -> None:
    points = [DAU, Point(("a",), 1, NOW), Point(DAU.path, 1, NOW - 60), Point(("a",), 2, NOW)]
    (payload,) = sink_of(tmp_path, textfile="a.prom").encode(points)
    assert payload == Payload(b'[["shop_dau",[],%d,48213],["a",[],%d,2]]' % (NOW, NOW), points=2, format="samples")


def test_many_series_are_cut_into_payloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MAX_PAYLOAD_SAMPLES", 3)
    payloads = sink_of(tmp_path, textfile="a.prom").encode(Point((f"n{n}",), n, NOW) for n in range(7))
    assert [payload.points for payload in payloads] == [3, 3, 1]


def test_the_preview_shows_samples_as_prometheus_has_them(tmp_path: Path) -> None:
    point = Point(("Bike Shop", "dau"), 0.5, NOW, (("os", "ios"),))
    assert list(sink_of(tmp_path, textfile="a.prom").preview([point])) == ['Bike_Shop_dau{os="ios"} 0.5']


@given(st.lists(POINTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_and_the_number_of_deliveries_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, points: list[Point], random: "Random"
) -> None:
    table = SeriesTable()
    distinct = list({(table[point.path, point.labels], point.timestamp): point for point in points}.values())
    texts = []
    for _ in range(2):
        state = tmp_path_factory.mktemp("state")
        sink = sink_of(state, textfile="a.prom")
        payloads = [payload for point in distinct for payload in sink.encode([point])]
        random.shuffle(payloads)
        for payload in payloads + payloads[: random.randrange(len(payloads))]:
            sink.deliver(payload)
        texts.append((state / "a.prom").read_bytes())
    assert texts[0] == texts[1]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'[["shop.dau",[],0,1]]', b'[["n",[],0,NaN]]', b"\xff"])
def test_a_damaged_payload_is_rejected_and_nothing_of_it_is_kept(data: bytes, textfile: Path) -> None:
    sink = sink_of(textfile.parent, textfile=textfile.name)
    with pytest.raises(Rejected, match="damaged"):
        sink.deliver(Payload(data, points=1, format="samples"))
    assert not textfile.exists()


# Textfile


def test_a_textfile_is_whole_readable_for_all_and_without_times(textfile: Path) -> None:
    sink = sink_of(textfile.parent, textfile=textfile.name)
    deliver(sink, DAU)
    assert textfile.read_bytes() == (
        b"# Written by metrics-importer, which reads it again: changes would be lost.\n"
        b"# HELP shop_dau Newest value that metrics-importer was given.\n"
        b"# TYPE shop_dau gauge\n"
        b"shop_dau 48213.0\n"
        b'# sample ["shop_dau",[],1462147200,48213]\n'
    )
    assert textfile.stat().st_mode & 0o777 == 0o644
    assert sink.lane == f"prometheus+file://{textfile}"


def test_node_exporter_finds_one_file_in_the_directory(textfile: Path) -> None:
    deliver(sink_of(textfile.parent, textfile=textfile.name), DAU)
    assert [path.name for path in textfile.parent.glob("*.prom") if not path.name.startswith(".")] == [textfile.name]
    assert not [path for path in textfile.parent.iterdir() if path.suffix == ".prom" and path != textfile]


@given(st.lists(POINTS, min_size=1, max_size=5))
def test_a_new_process_goes_on_with_what_the_textfile_holds(
    tmp_path_factory: pytest.TempPathFactory, points: list[Point]
) -> None:
    state = tmp_path_factory.mktemp("state")
    deliver(sink_of(state, textfile="a.prom"), *points)
    before = (state / "a.prom").read_bytes()
    deliver(sink_of(state, textfile="a.prom"), *points)
    assert (state / "a.prom").read_bytes() == before


def test_an_older_sample_does_not_come_back_after_a_restart(textfile: Path) -> None:
    deliver(sink_of(textfile.parent, textfile=textfile.name), DAU)
    successor = sink_of(textfile.parent, textfile=textfile.name)
    deliver(successor, Point(DAU.path, 1, NOW - 0.5), Point(("b",), 2, NOW))
    assert values_in(textfile.read_bytes()) == {"shop_dau": 48213, "b": 2}


def test_two_processes_share_a_textfile(textfile: Path) -> None:
    first, second = (sink_of(textfile.parent, textfile=textfile.name) for _ in range(2))
    for number in range(3):
        deliver(first, Point(("a",), number, NOW + number))
        deliver(second, Point(("b",), number, NOW + number))
    assert values_in(textfile.read_bytes()) == {"a": 2, "b": 2}


def test_processes_that_deliver_at_the_same_time_lose_nothing(textfile: Path) -> None:
    def work(name: str) -> None:
        sink = sink_of(textfile.parent, textfile=textfile.name)
        for number in range(20):
            deliver(sink, Point((f"{name}{number}",), number, NOW))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values_in(textfile.read_bytes()) == {f"{name}{number}": number for name in "abc" for number in range(20)}


def test_a_process_that_keeps_the_samples_locked_is_not_waited_for_without_end(textfile: Path) -> None:
    lane = Textfile(textfile).lane
    sink = PrometheusSink(Textfile(textfile), SampleFile(textfile, lane, exposed=True, lock_seconds=0.1))
    with (
        SampleFile(textfile, lane).locked(),
        pytest.raises(SinkUnavailable, match=r"another process has kept it locked for 0\.1 s"),
    ):
        deliver(sink, DAU)
    deliver(sink, DAU)
    assert values_in(textfile.read_bytes()) == {"shop_dau": 48213}


def test_deleting_the_textfile_forgets_its_series(textfile: Path) -> None:
    sink = sink_of(textfile.parent, textfile=textfile.name)
    deliver(sink, DAU)
    textfile.unlink()
    deliver(sink, Point(("b",), 2, NOW))
    assert values_in(textfile.read_bytes()) == {"b": 2}


def test_an_empty_textfile_is_taken_for_a_new_one(textfile: Path) -> None:
    textfile.touch()
    deliver(sink_of(textfile.parent, textfile=textfile.name), DAU)
    assert values_in(textfile.read_bytes()) == {"shop_dau": 48213}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"node_boot 1\n", "is another program's file; name another path"),
        (b"# Written by metrics-importer", "is another program's file"),
        (
            b"# Written by metrics-importer, which reads it again: changes would be lost.\n# sample [1]\n",
            "importer.prom:2 is damaged",
        ),
        (
            b"# Written by metrics-importer, which reads it again: changes would be lost.\n# sample [\n",
            "delete the file to begin anew",
        ),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(content: bytes, complaint: str, textfile: Path) -> None:
    textfile.write_bytes(content)
    sink = sink_of(textfile.parent, textfile=textfile.name)
    for attempt in (lambda: deliver(sink, DAU), sink.check):
        with pytest.raises(SinkRefused, match=re.escape(complaint)):
            attempt()
    assert textfile.read_bytes() == content


def test_a_textfile_that_is_a_directory_is_refused_and_nothing_is_left_behind(textfile: Path) -> None:
    textfile.mkdir()
    with pytest.raises(SinkRefused, match="is a directory"):
        deliver(sink_of(textfile.parent, textfile=textfile.name), DAU)
    assert {path.name for path in textfile.parent.iterdir()} == {textfile.name, f".{textfile.name}.lock"}


def test_check_tells_of_the_textfile_and_makes_none(textfile: Path) -> None:
    sink = sink_of(textfile.parent, textfile=textfile.name)
    assert sink.check() == f"{sink.lane} will be made"
    assert not textfile.exists()
    deliver(sink, DAU)
    assert sink.check() == f"{sink.lane} holds 1 series"


def test_check_refuses_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkRefused, match="no directory that this user may write to"):
        sink_of(tmp_path, textfile="gone/a.prom").check()


# Expiry


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def test_a_series_that_is_not_renewed_leaves_the_textfile(textfile: Path) -> None:
    clock = Clock()
    outlet = Textfile(textfile)
    sink = PrometheusSink(outlet, outlet.samples, expire_seconds=60, clock=clock)
    deliver(sink, DAU, Point(("b",), 2, NOW + 30))
    clock.now += 60
    deliver(sink, Point(("c",), 3, NOW + 60))
    assert set(values_in(textfile.read_bytes())) == {"shop_dau", "b", "c"}
    clock.now += 1
    deliver(sink, Point(("c",), 4, NOW + 61), DAU)
    assert set(values_in(textfile.read_bytes())) == {"b", "c"}


def test_a_series_that_is_not_renewed_leaves_the_port_although_nothing_is_delivered(port: int, tmp_path: Path) -> None:
    clock = Clock()
    outlet = ServedPort("127.0.0.1", port, expire_seconds=60, clock=clock)
    sink = PrometheusSink(outlet, SampleFile(tmp_path / "s", outlet.lane), expire_seconds=60, clock=clock)
    deliver(sink, DAU, Point(("b",), 2, NOW + 30))
    clock.now += 60.5
    assert scraped(port) == {AGE: NOW + 30, "b": 2}
    clock.now += 30
    assert scraped(port) == {}
    sink.close()


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_expiry_that_would_leave_nothing_is_a_mistake(seconds: int, textfile: Path) -> None:
    _, problems = read_keys(textfile.parent, textfile=textfile.name, expire_seconds=seconds)
    assert problems == ["expire_seconds: must be above 0, or left out to keep all series"]
    outlet = Textfile(textfile)
    with pytest.raises(ValueError, match="not above 0"):
        PrometheusSink(outlet, outlet.samples, expire_seconds=seconds)


# Port


@pytest.mark.parametrize("values", [{"port": 9117}, {"pushgateway": "h"}, {"textfile": "a.prom"}], ids=str)
def test_nobody_waits_for_prometheus_client_before_something_is_delivered(values: dict[str, object]) -> None:
    code = (
        "import sys; from pathlib import Path; from importer.config import ObjectReader\n"
        "from importer.sinks.prometheus import PrometheusSink\n"
        f"PrometheusSink.from_keys(ObjectReader(Path('f'), {values}), state=Path()).encode([])\n"
        "sys.exit('prometheus_client' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.fixture
def served(port: int, tmp_path: Path) -> Iterator[PrometheusSink]:
    sink = sink_of(tmp_path, port=port)
    yield sink
    sink.close()


def test_a_port_serves_what_was_delivered(served: PrometheusSink, port: int) -> None:
    deliver(served, DAU, Point(("b",), 2, NOW - 60))
    for path in ("/", "/metrics", "/metrics?name=x"):
        text, headers = fetch(port, path)
        assert values_in(text) == {AGE: NOW, "b": 2, "shop_dau": 48213}
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    deliver(served, Point(DAU.path, 1, NOW + 1))
    assert scraped(port)["shop_dau"] == 1


def test_a_port_has_nothing_elsewhere(served: PrometheusSink, port: int) -> None:
    deliver(served, DAU)
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(port, "/favicon.ico")
    caught.value.close()


def test_a_head_request_has_no_body(served: PrometheusSink, port: int) -> None:
    deliver(served, DAU)
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answer:
        connection.sendall(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        head = answer.read()
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")


def test_a_series_of_the_name_that_we_add_is_served_once(served: PrometheusSink, port: int) -> None:
    deliver(served, Point((AGE,), 5, NOW))
    assert scraped(port) == {AGE: 5}


def test_the_port_is_not_taken_before_there_is_something_to_serve(served: PrometheusSink, port: int) -> None:
    served.encode([DAU])
    assert served.check() == f"prometheus://127.0.0.1:{port} can be served"
    socket.create_server(("127.0.0.1", port)).close()


def test_a_closed_sink_gives_the_port_back_at_once_and_serves_again_what_it_had(
    served: PrometheusSink, port: int
) -> None:
    deliver(served, DAU)
    served.close()
    socket.create_server(("127.0.0.1", port)).close()
    deliver(served, Point(("b",), 2, NOW))
    assert scraped(port) == {AGE: NOW, "b": 2, "shop_dau": 48213}


@pytest.mark.parametrize("comes", [True, False])
def test_the_log_says_if_nobody_came_while_the_port_was_served(
    served: PrometheusSink, port: int, comes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(served, DAU)
    served.check()
    if comes:
        scraped(port)
    served.close()
    served.close()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    what = f"port closed before anybody came, commands that end need pushgateway or textfile lane={served.lane}"
    assert told == ([] if comes else [what])


def test_a_new_process_serves_what_the_one_before_it_had(port: int, tmp_path: Path) -> None:
    first = sink_of(tmp_path, port=port)
    deliver(first, DAU)
    first.close()
    second = sink_of(tmp_path, port=port)
    deliver(second, Point(("b",), 2, NOW))
    assert scraped(port) == {AGE: NOW, "b": 2, "shop_dau": 48213}
    second.close()


def test_what_a_port_keeps_is_for_its_user_alone(served: PrometheusSink, tmp_path: Path) -> None:
    deliver(served, DAU)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if "samples" in path.name}
    assert modes == {0o600}


def test_a_port_that_another_program_has_is_refused_and_the_payload_kept(served: PrometheusSink, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SinkRefused) as caught:
        deliver(served, DAU)
    assert str(caught.value) == f"{served.lane}: cannot listen: address already in use; correct host or port"
    deliver(served, DAU)
    assert scraped(port)["shop_dau"] == 48213


def test_check_knows_a_port_that_this_or_another_process_of_ours_serves(
    served: PrometheusSink, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    deliver(served, DAU)
    assert served.check() == f"{served.lane} is served"
    assert sink_of(tmp_path, port=port).check() == f"{served.lane} is served by another process of ours"


def test_check_refuses_a_port_that_another_web_server_has(tmp_path: Path) -> None:
    with HttpSimulator() as other:
        with pytest.raises(SinkRefused, match="address already in use"):
            sink_of(tmp_path, port=other.port).check()
        assert other.requests[0].method == "HEAD"


def test_check_refuses_a_port_whose_server_does_not_speak_http(tmp_path: Path) -> None:
    with Receiver(close_at_once) as other, pytest.raises(SinkRefused, match="address already in use"):
        sink_of(tmp_path, port=other.port).check()


def test_an_address_that_is_not_this_machines_is_refused(port: int, tmp_path: Path) -> None:
    with pytest.raises(SinkRefused, match="cannot assign requested address"):
        deliver(sink_of(tmp_path, port=port, host="192.0.2.1"), DAU)


def test_a_port_on_ipv6_is_served(port: int, tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    sink = sink_of(tmp_path, port=port, host="::1")
    deliver(sink, DAU)
    assert sink.lane == f"prometheus://[::1]:{port}"
    connection = HTTPConnection("::1", port, timeout=10)
    connection.request("GET", "/")
    assert DAU_LINE in connection.getresponse().read()
    connection.close()
    sink.close()


def test_a_scrape_sees_an_update_whole_or_not_at_all(port: int) -> None:
    outlet = ServedPort("127.0.0.1", port)
    names = [Series(f"n{number}", ()) for number in range(50)]
    enough = threading.Event()

    def publish() -> None:
        for value in itertools.count(1):
            outlet.publish({name: Reading(value, value) for name in names})
            if enough.is_set():
                return

    outlet.publish(dict.fromkeys(names, Reading(0, 0)))
    publisher = threading.Thread(target=publish)
    publisher.start()
    seen = [set(scraped(port).values()) for _ in range(30)]
    enough.set()
    publisher.join()
    assert [len(values) for values in seen] == [1] * 30
    assert len(set().union(*seen)) > 1
    outlet.close()


def test_a_client_that_says_nothing_keeps_neither_the_others_nor_the_port_waiting(
    served: PrometheusSink, port: int
) -> None:
    deliver(served, DAU)
    with socket.create_connection(("127.0.0.1", port)):
        assert scraped(port)["shop_dau"] == 48213
        served.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


class LogQueue(logging.Handler):
    """Hands over what other threads log, once they have."""

    def __init__(self) -> None:
        super().__init__()
        self.records: SimpleQueue[logging.LogRecord] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put(record)

    def wait_for(self, message: str) -> logging.LogRecord:
        while not (record := self.records.get(timeout=10)).getMessage().startswith(message):
            pass
        return record


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[LogQueue]:
    caplog.set_level(logging.DEBUG, "importer.sinks.prometheus_port")
    handler = LogQueue()
    logging.getLogger("importer.sinks.prometheus_port").addHandler(handler)
    yield handler
    logging.getLogger("importer.sinks.prometheus_port").removeHandler(handler)


def test_a_client_that_hangs_up_is_no_error(served: PrometheusSink, port: int, log: LogQueue) -> None:
    deliver(served, DAU)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset at the end
        connection.sendall(b"GET /metrics")
    assert log.wait_for("scrape was cut off").levelno == logging.DEBUG
    assert scraped(port)["shop_dau"] == 48213


def test_a_bug_in_a_scrape_is_logged_and_costs_that_scrape_alone(port: int, log: LogQueue) -> None:
    broken = iter([True])

    def clock() -> float:
        if threading.current_thread() is not threading.main_thread() and next(broken, False):
            raise ZeroDivisionError
        return NOW

    outlet = ServedPort("127.0.0.1", port, clock=clock)
    outlet.publish({Series("n", ()): Reading(NOW, 1)})
    with pytest.raises(ConnectionError):
        fetch(port)
    record = log.wait_for("scrape failed")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert scraped(port)["n"] == 1
    outlet.close()


# Pushgateway


@pytest.fixture
def gateway() -> Iterator[HttpSimulator]:
    with HttpSimulator() as simulator:
        simulator.route("POST", "/metrics/job/metrics-importer/instance/test", lambda _: Answer(200))
        simulator.route("GET", "/-/ready", lambda _: Answer(200, {}, b"OK"))
        yield simulator


def bodies(gateway: HttpSimulator) -> list[dict[str, float]]:
    return [values_in(request.body) for request in gateway.requests if request.method == "POST"]


def test_every_push_has_all_series_with_their_newest_values(gateway: HttpSimulator, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
    deliver(sink, DAU)
    deliver(sink, Point(("b",), 2, NOW), Point(DAU.path, 1, NOW - 60))
    assert bodies(gateway) == [{"shop_dau": 48213}, {"shop_dau": 48213, "b": 2}]
    (first, _) = gateway.requests
    assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "authorization" not in first.headers
    sink.close()


def test_a_new_process_pushes_what_the_one_before_it_had(gateway: HttpSimulator, tmp_path: Path) -> None:
    for point in (DAU, Point(("b",), 2, NOW)):
        sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
        deliver(sink, point)
        sink.close()
    assert bodies(gateway)[-1] == {"shop_dau": 48213, "b": 2}


@pytest.mark.parametrize(
    ("group", "path"),
    [
        (Group(), "/metrics/job/metrics-importer"),
        (Group("shop", "web-1.example"), "/metrics/job/shop/instance/web-1.example"),
        (Group("a/b"), "/metrics/job@base64/YS9i"),
        (Group("shop", ".."), "/metrics/job/shop/instance@base64/Li4="),
        (Group("shop", "é?"), "/metrics/job/shop/instance@base64/w6k_"),
    ],
)
def test_the_group_is_named_in_the_path(group: Group, path: str) -> None:
    assert group.path == path
    assert Pushgateway("http://h:9091/push/", group).lane == f"prometheus+http://h:9091/push{path}"


@pytest.mark.parametrize(
    ("keys", "group"),
    [
        ({}, Group("metrics-importer", "web-1:/var/lib/leexportpy")),
        ({"job": "shop"}, Group("shop", "web-1:/var/lib/leexportpy")),
        ({"instance": "a"}, Group("metrics-importer", "a")),
        ({"instance": ""}, Group("metrics-importer")),
    ],
)
def test_the_group_is_the_state_directory_s_on_this_host_unless_the_keys_have_another(
    keys: dict[str, object], group: Group
) -> None:
    reader = ObjectReader(Path("graphite.json"), keys)
    assert Group.of_keys(reader, state=Path("/var/lib/leexportpy"), host="web-1") == group
    reader.finish()


def test_the_password_is_sent_and_never_shown(gateway: HttpSimulator, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter22\n")
    sink = sink_of(
        tmp_path, instance="test", pushgateway=gateway.url, username="importer", password_file=str(tmp_path / "secret")
    )
    sink.check()
    deliver(sink, DAU)
    wanted = "Basic " + b64encode(b"importer:hunter22").decode()
    assert [request.headers["authorization"] for request in gateway.requests] == [wanted, wanted]
    assert "hunter22" not in sink.lane
    sink.close()


def test_a_gateway_that_wants_a_pause_does_not_keep_the_samples_locked(gateway: HttpSimulator, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
    gateway.fail(Answer(429, {"Retry-After": "30"}), times=None)
    with pytest.raises(SinkUnavailable) as caught:
        deliver(sink, DAU)
    assert caught.value.retry_after_seconds == 30.0
    assert gateway.request_count == 1
    sink.close()


def test_what_the_gateway_rejects_is_not_pushed_with_the_next_payload(gateway: HttpSimulator, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
    gateway.fail(Answer(400, {}, b"pushed metrics are invalid or inconsistent"))
    with pytest.raises(Rejected, match="HTTP 400: pushed metrics are invalid or inconsistent"):
        deliver(sink, DAU)
    deliver(sink, Point(("b",), 2, NOW))
    assert bodies(gateway)[-1] == {"b": 2}
    sink.close()


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, SinkRefused, "correct pushgateway, username or password"),
        (404, SinkRefused, "correct pushgateway"),
        (302, SinkRefused, "redirects"),
        (413, SinkRefused, "let the proxy take larger bodies"),
        (429, SinkUnavailable, "HTTP 429"),
        (503, SinkUnavailable, "HTTP 503"),
    ],
)
def test_an_answer_that_is_not_about_the_payload_keeps_it(
    status: int, error: type[Exception], told: str, gateway: HttpSimulator, tmp_path: Path
) -> None:
    sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
    gateway.fail(Answer(status, {"Retry-After": "3600"}), times=None)
    with pytest.raises(error, match=told):
        deliver(sink, DAU)
    gateway.heal()
    deliver(sink, DAU)
    assert bodies(gateway)[-1] == {"shop_dau": 48213}
    sink.close()


def test_check_asks_whether_the_gateway_is_ready_and_pushes_nothing(gateway: HttpSimulator, tmp_path: Path) -> None:
    sink = sink_of(tmp_path, instance="test", pushgateway=gateway.url)
    assert sink.check() == f"{sink.lane} is ready"
    assert [(request.method, request.path) for request in gateway.requests] == [("GET", "/-/ready")]
    gateway.fail(Answer(503), times=None)
    with pytest.raises(SinkUnavailable, match="503"):
        sink.check()
    sink.close()


# Keys


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "exactly one of port, pushgateway, textfile"),
        (
            {"port": 9000, "textfile": "a.prom"},
            "needs exactly one of port, pushgateway, textfile; port and textfile are",
        ),
        ({"port": 0}, "port: 0 is not a whole number from 1 to 65535"),
        ({"port": 9000, "host": "carbon"}, "host: 'carbon' is not an address to listen on"),
        ({"port": 9000, "job": "x"}, "job: improper key"),
        ({"textfile": "a.txt"}, "textfile: does not end in .prom"),
        ({"textfile": 5}, "textfile: 5 is not text"),
        ({"textfile": "a.prom", "instance": "x"}, "instance: improper key"),
        ({"pushgateway": "ftp://h"}, "pushgateway: only http:// and https://"),
        ({"pushgateway": 5}, "pushgateway: 5 is not text"),
        ({"pushgateway": "h", "password": "hunter22"}, "username: and password, or password_file, are given together"),
        ({"pushgateway": "h", "username": "importer"}, "username: and password"),
    ],
)
def test_a_mistake_in_the_keys_is_told_once(values: dict[str, object], problem: str, tmp_path: Path) -> None:
    (told,) = read_keys(tmp_path, **values)[1]
    assert problem in told


@pytest.mark.parametrize(("host", "port"), [("localhost", 9000), ("", 9000), ("127.0.0.1", 0), ("127.0.0.1", 65536)])
def test_an_impossible_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(ValueError, match=r"is not|does not appear"):
        ServedPort(host, port)


def test_secrets_are_no_part_of_what_is_kept_on_disk(gateway: HttpSimulator, tmp_path: Path) -> None:
    outlet = Pushgateway(gateway.url, Group(instance="test"), username="importer", password=Secret("hunter22"))
    sink = PrometheusSink(outlet, SampleFile(tmp_path / "s", outlet.lane))
    deliver(sink, DAU)
    assert b"hunter22" not in (tmp_path / "s").read_bytes()
    sink.close()
