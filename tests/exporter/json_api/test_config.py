"""Every mistake in the entry of a config-only service is told, by its key and the metric's name."""

from pathlib import Path

import pytest

from tests.exporter.json_services import ONE, ORDERS_METRICS, read_entry

LABEL = "is not a label's name: letters, digits and _ alone, not __ in front"
BUCKETS = "buckets: is not a list of numbers that grow, such as [0.1, 1, 10]"
URL = "https://api.example.com/v1/stats"


def wrong(folder: Path, entry: object, environ: dict[str, str] | None = None) -> list[str]:
    service, problems = read_entry(entry, folder, environ=environ)
    assert service is None
    return [problem.removeprefix("services.orders.") for problem in problems]


def wrong_metric(folder: Path, **metric: object) -> list[str]:
    entry = {"api_url": URL, "metrics": [{"name": "stock", "path": "$", **metric}]}
    return [problem.removeprefix("metrics.stock.") for problem in wrong(folder, entry)]


def test_keys_of_others_are_left_alone(tmp_path: Path) -> None:
    entry = {"port": 8010, "address": "", "api_call_intervals": 5, "api_url": URL, "metrics": ORDERS_METRICS, "my": 1}
    service, problems = read_entry(entry, tmp_path)
    assert problems == []
    assert service is not None
    assert service.name == "orders"
    service.close()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    entry = {
        "timeout": 0,
        "method": "FETCH",
        "headers": {"A": "${NONE}"},
        "pages": {},
        "metrics": [{"name": "a-b", "path": "$.x["}, {"path": "$", "type": "gauges"}],
    }
    assert wrong(tmp_path, entry) == [
        "timeout: 0 seconds are not above 0, or more than 1000000",
        "api_url: is missing; text is expected",
        "headers.A: ${NONE} is not in the environment, and there is no secret_file_path",
        'method: "FETCH" is not one of GET, POST, PUT, PATCH',
        'metrics.a-b.name: "a-b" is not a metric\'s name: letters, digits and _ alone',
        "metrics.a-b.path: $.x[ is not a JSONPath: unexpected end of query",
        "metrics[1].name: is missing; text is expected",
        'metrics[1].type: "gauges" is not one of gauge, counter, summary, histogram, untyped',
        "pages.items: is missing; text is expected",
        "pages: nothing says how the next page is asked for; "
        "one of next_link, page_parameter, offset_parameter, cursor_parameter is expected",
    ]


@pytest.mark.parametrize("metrics", [[], {}, "x", 5])
def test_metrics_are_a_list(tmp_path: Path, metrics: object) -> None:
    what = "metrics: is not a list of metrics, each an object with name and path"
    assert wrong(tmp_path, {"api_url": URL, "metrics": metrics}) == [what]


def test_a_metric_is_an_object(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"api_url": URL, "metrics": ["x"]}) == ['metrics[0]: "x" is not an object']


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ({"path": ""}, "path: is empty; text is expected"),
        ({"path": "$.a["}, "path: $.a[ is not a JSONPath: unexpected end of query"),
        ({"pth": 1}, 'pth: improper key; did you mean "path"?'),
        ({"help": 5}, "help: 5 is not text"),
        (
            {"labels": {"a-b": "x"}},
            f'labels.a-b: "a-b" {LABEL}',
        ),
        (
            {"labels": {"__a": "x"}},
            f'labels.__a: "__a" {LABEL}',
        ),
        ({"labels": {"a": "{.x"}}, "labels.a: {.x has no closing brace"),
        ({"labels": {"a": 5}}, "labels: an object is not an object that holds text alone"),
        ({"labels": {"le": "x"}, "type": "histogram"}, "labels.le: le is a label that a histogram has itself"),
        (
            {"labels": {"quantile": "x"}, "type": "summary"},
            "labels.quantile: quantile is a label that a summary has itself",
        ),
        ({"value": "{.x["}, "value: {.x[ has no closing brace"),
        ({"value": "{.x[}"}, "value: $.x[ is not a JSONPath: unexpected end of query"),
        ({"value": ".count"}, 'value: ".count" is neither a number nor a template; write {.count}'),
        ({"value": True}, "value: true is not a number"),
        ({"aggregate": "median"}, 'aggregate: "median" is not one of count, sum, min, max, avg, first, last'),
        ({"value_map": {"a": "b"}}, 'value_map: is not an object of numbers, such as {"OK": 1, "FAIL": 0}'),
        ({"value_map": []}, 'value_map: is not an object of numbers, such as {"OK": 1, "FAIL": 0}'),
        ({"scale": "big"}, 'scale: "big" is not a number'),
        ({"buckets": [1, 1], "type": "histogram"}, BUCKETS),
        ({"buckets": [], "type": "histogram"}, BUCKETS),
        (
            {"buckets": [1, True], "type": "histogram"},
            "buckets: is not a list of numbers that grow, such as [0.1, 1, 10]",
        ),
        ({"buckets": [1]}, "buckets: cannot be given for a gauge, only for a histogram"),
        ({"allow_missing_key": "no"}, 'allow_missing_key: "no" is not true or false'),
        ({"time_format": "ISO"}, "time_format: is neither iso8601 nor a pattern such as %d.%m.%Y"),
        ({"time_format": "%Q"}, 'time_format: "%Q" is not a pattern, such as %d.%m.%Y'),
        ({"time_format": "%Y%"}, 'time_format: "%Y%" is not a pattern, such as %d.%m.%Y'),
        ({"time_zone": "UTC"}, "time_zone: is given without time_format, which makes dates of values"),
        (
            {"time_format": "iso8601", "time_zone": "Mars/Base"},
            'time_zone: "Mars/Base" is not a time zone, such as Europe/Berlin',
        ),
        (
            {"time_format": "iso8601", "time_zone": "../etc"},
            'time_zone: "../etc" is not a time zone, such as Europe/Berlin',
        ),
        ({"path": "$.*", "keys": ["a", "b"]}, "keys: holds 2 names; $.* has 1 step that matches many, such as [*]"),
        ({"path": "$.*.*", "keys": ["a"]}, "keys: holds 1 name; $.*.* has 2 steps that match many, such as [*]"),
        (
            {"path": "$.*", "keys": ["a-b"]},
            f'keys: "a-b" {LABEL}',
        ),
        ({"path": "$.*", "keys": ["a"], "labels": {"a": "x"}}, "keys: a is given twice; each label has one value"),
        ({"path": "$..a", "keys": ["a"]}, "keys: cannot be given where the path has ..: $..a"),
        (
            {"path": "$.*", "keys": ["a"], "aggregate": "sum"},
            "keys: cannot be given with aggregate, which makes one sample of all",
        ),
        ({"by": {"a": "{.a}"}}, "by: needs aggregate: count, sum, min, max, avg, first, last"),
        (
            {"aggregate": "sum", "by": {"a": "{.a}"}, "labels": {"a": "b"}},
            "by: a is given twice; each label has one value",
        ),
        ({"path": "$.*", "keys": "a"}, "keys: this text is not a list of text"),
    ],
)
def test_a_mistake_in_a_metric_names_it(tmp_path: Path, metric: dict[str, object], problem: str) -> None:
    assert wrong_metric(tmp_path, **metric) == [problem]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([("a", "gauge"), ("a", "gauge")], "metrics.a.name: is given twice"),
        ([("a_total", "counter"), ("a", "counter")], "metrics.a.name: has series called a, and so has a_total"),
        ([("a", "summary"), ("a_sum", "gauge")], "metrics.a_sum.name: has series called a_sum, and so has a"),
        (
            [("_total", "counter")],
            "metrics._total.name: is nothing but a suffix; a name such as orders_total is expected",
        ),
        (
            [("collectington_up", "gauge")],
            "metrics.collectington_up.name: begins with collectington_, as do cton's own series alone",
        ),
    ],
)
def test_names_of_series_are_not_shared(tmp_path: Path, names: list[tuple[str, str]], problem: str) -> None:
    metrics = [{"name": name, "type": kind, "path": "$"} for name, kind in names]
    assert wrong(tmp_path, {"api_url": URL, "metrics": metrics}) == [problem]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"api_url": "ftp://x"}, "api_url: only http:// and https:// addresses can be used"),
        ({"api_url": "https://a b"}, "api_url: is not an address: a host name, or https://host:port"),
        ({"api_url": "https://u:p@x"}, "api_url: an address must not hold a user name or password"),
        ({"api_url": "https://x/?${A}"}, "api_url: ${A} is not in the environment, and there is no secret_file_path"),
        ({"timeout": "5"}, 'timeout: "5" is not a number'),
        ({"headers": {"A B": "x"}}, "headers.A B: header A B holds characters that HTTP does not allow"),
        ({"headers": {"A": "x\ny"}}, "headers.A: header A holds characters that HTTP does not allow"),
        ({"bearer_token": "x\ny"}, "bearer_token: header Authorization holds characters that HTTP does not allow"),
        ({"header_files": {"X-Key": "none"}}, "header_files.X-Key: {folder}/none does not exist"),
        (
            {"headers": {"A": "x"}, "header_files": {"A": "file"}},
            "headers.A: is given, and in header_files too: keep one of them",
        ),
        ({"params": []}, "params: is not an object of texts, numbers, truth values, and lists of them"),
        ({"params": {"a": {}}}, "params.a: is neither text, a number, a truth value, nor a list of them"),
        ({"params": {"a": [None]}}, "params.a: is neither text, a number, a truth value, nor a list of them"),
        ({"params": {"a": "${B}"}}, "params.a: ${B} is not in the environment, and there is no secret_file_path"),
        (
            {"body": {"a": ["${B}"]}, "secret_file_path": "{folder}/file"},
            "body.a[0]: ${B} is neither in {folder}/file nor in the environment",
        ),
        ({"secret_file_path": "{folder}/none"}, "secret_file_path: {folder}/none does not exist"),
        ({"secret_file_path": "{folder}/bad"}, 'secret_file_path: {folder}/bad line 1 is not KEY="VALUE"'),
        ({"secret_file_path": "~nobody-at-all/x"}, "secret_file_path: ~nobody-at-all/x does not exist"),
        ({"valid_status_codes": 200}, "valid_status_codes: is not a list of HTTP status codes, such as [200, 404]"),
        ({"valid_status_codes": []}, "valid_status_codes: is not a list of HTTP status codes, such as [200, 404]"),
        ({"valid_status_codes": [True]}, "valid_status_codes: is not a list of HTTP status codes, such as [200, 404]"),
        ({"valid_status_codes": [20]}, "valid_status_codes: is not a list of HTTP status codes, such as [200, 404]"),
        ({"basic_auth": {"username": "u"}}, "basic_auth.password: is missing; give it or password_file"),
        (
            {"basic_auth": {"username": "u", "password": "p", "usrname": 1}},
            'basic_auth.usrname: improper key; did you mean "username"?',
        ),
        (
            {"basic_auth": {"username": "u", "password": "p"}, "bearer_token": "t"},
            "bearer_token: is given, and basic_auth too: keep one of them",
        ),
        (
            {"bearer_token_file": "file", "headers": {"authorization": "x"}},
            "bearer_token: is given, and a header Authorization too: keep one of them",
        ),
        (
            {"oauth2": {"client_id": "a", "client_secret": "b", "token_url": "x y"}},
            "oauth2.token_url: is not an address: a host name, or https://host:port",
        ),
        (
            {"oauth2": {"client_id": "a", "client_secret": "b", "token_url": URL, "scope": "x"}},
            'oauth2.scope: improper key; did you mean "scopes"?',
        ),
        ({"proxies": {"https": 1}}, "proxies: an object is not an object that holds text alone"),
    ],
)
def test_a_mistake_in_the_request_is_told(
    tmp_path: Path, more: dict[str, object], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("A=x")
    (tmp_path / "bad").write_text("hunter2")
    path = str(more.get("secret_file_path", "")).replace("{folder}", str(tmp_path))
    entry = {"api_url": URL, "metrics": ONE, **more, **({"secret_file_path": path} if path else {})}
    assert wrong(tmp_path, entry) == [problem.replace("{folder}", str(tmp_path))]


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        (
            {"items": "$[*]", "next_link": "Link"},
            "pages.items: $[*] can find several things; the path of one list is expected",
        ),
        (
            {"items": "$", "next_link": "$..a"},
            "pages.next_link: $..a can find several things; the path of one is expected",
        ),
        ({"items": "$", "next_link": "$["}, "pages.next_link: $[ is not a JSONPath: unexpected end of query"),
        (
            {"items": "$", "next_link": "Link", "page_parameter": "p"},
            "pages: next_link and page_parameter are given; "
            "one of next_link, page_parameter, offset_parameter, cursor_parameter is expected",
        ),
        ({"items": "$", "cursor_parameter": "c"}, "pages.cursor: is missing; text is expected"),
        (
            {"items": "$", "page_parameter": "q"},
            "pages.page_parameter: q is in the query of api_url too; leave it out there",
        ),
        (
            {"items": "$", "page_parameter": "p", "last_pge": "$"},
            'pages.last_pge: improper key; did you mean "last_page"?',
        ),
        (
            {"items": "$", "page_parameter": "p", "limit": 5},
            "pages.limit_parameter: is missing: limit_parameter and limit belong together",
        ),
        (
            {"items": "$", "page_parameter": "p", "limit_parameter": "l"},
            "pages.limit: is missing: limit_parameter and limit belong together",
        ),
        ({"items": "$", "next_link": "Link", "max_pages": 0}, "pages.max_pages: 0 is not a whole number of 1 or more"),
        ({"items": "$", "next_link": "Link", "first_page": 2}, "pages.first_page: improper key"),
    ],
)
def test_a_mistake_in_pages_is_told(tmp_path: Path, pages: dict[str, object], problem: str) -> None:
    assert wrong(tmp_path, {"api_url": f"{URL}?q=1", "metrics": ONE, "pages": pages}) == [problem]


def test_nothing_else_is_told_of_a_secrets_file_that_cannot_be_read(tmp_path: Path) -> None:
    entry = {"api_url": URL, "metrics": ONE, "secret_file_path": f"{tmp_path}/none", "headers": {"A": "x${B}"}}
    assert wrong(tmp_path, entry) == [f"secret_file_path: {tmp_path}/none does not exist"]
