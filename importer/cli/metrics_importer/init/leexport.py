"""A first configuration of leexportpy: an account, and one search."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from importer.cli.metrics_importer.init.answers import Question, Value
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor, checked, with_keys
from importer.errors import UsageError

_PROJECT = "leexportpy"
_ACCOUNT = ("rw_api_key", "region", "url")
_QUERY = ("logs", "query_period", "query_range", "statement")
_VERBATIM = ("statement",)
"""Keys whose values are read as they stand, commas and all."""
_QUOTES = ('"', "'")
_SERVICES = {"plain": "graphite", "pickle": "graphite"}
"""What a protocol is called as a service of a search, if not by its own name."""


def _config(given: Given) -> Sequence[PlannedFile]:
    content = "\n".join([*_head(given), *_search(given)]) + "\n"
    return [checked(_PROJECT, "config.ini", content, state=given.state)]


def _head(given: Given) -> Iterator[str]:
    yield "[LE]"
    yield from _lines(with_keys(given.values, *_ACCOUNT), depth=1)
    if key := {name: given.store[name] for name in ("api_key", "api_key_file") if given.store and name in given.store}:
        yield "\n[Services]"
        yield f"    [[{_service(given)}]]"
        yield from _lines(cast("Content", key), depth=2)


def _search(given: Given) -> Iterator[str]:
    yield "\n[Searches]"
    yield f"    [[{_heading(str(given.values['name']))}]]"
    yield "        [[[query]]]"
    yield from _lines(with_keys(given.values, *_QUERY), depth=3)
    yield "        [[[destination]]]"
    yield from _lines(_destination(given), depth=3)


def _service(given: Given) -> str:
    protocol = str((given.store or {})["protocol"])
    return _SERVICES.get(protocol, protocol)


def _destination(given: Given) -> Content:
    service = _service(given)
    store = cast("Mapping[str, Value]", given.store or {})
    keys = {name: value for name, value in store.items() if name not in ("protocol", "api_key", "api_key_file")}
    protocol: Content = {"protocol": store["protocol"]} if service == "graphite" else {}
    name: Content = {} if service in ("kafka", "dummy") else {"metric_name": given.values["metric_name"]}
    address: Content = {"push_url": "http://127.0.0.1"} if service == "dummy" else {}
    return {"service": service, **protocol, **name, **address, **keys}


def _lines(content: Mapping[str, Value], *, depth: int) -> Iterator[str]:
    for key, value in content.items():
        yield f"{'    ' * depth}{key} = {_text(key, value)}"


def _text(key: str, value: Value) -> str:
    """Return a value as ConfigObj reads it back; raises UsageError for one that cannot be written."""
    if isinstance(value, list):
        return _quoted((":" if key == "logs" else ",").join(value), key)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _verbatim(text, key) if key in _VERBATIM else _quoted(text, key)


def _verbatim(text: str, key: str) -> str:
    """Return a value that is read as it stands, in triple quotes if it would not be read whole without them."""
    if "#" not in _printable(text, key) and text == text.strip() and text[0] not in _QUOTES:
        return text
    quotes = next((3 * quote for quote in _QUOTES if 3 * quote not in text and not text.endswith(quote)), None)
    if quotes is None:
        raise UsageError(f"{key}: cannot be written with both kinds of quotes in it")
    return f"{quotes}{text}{quotes}"


def _heading(name: str) -> str:
    """Return a name as it stands between brackets."""
    is_plain = _printable(name, "name") == name.strip() and name[0] not in _QUOTES
    return name if is_plain else _quoted(name, "name")


def _quoted(text: str, key: str) -> str:
    if not _needs_quotes(_printable(text, key)):
        return text
    quote = next((quote for quote in _QUOTES if quote not in text), None)
    if quote is None:
        raise UsageError(f"{key}: cannot be written with both kinds of quotes in it")
    return f"{quote}{text}{quote}"


def _needs_quotes(text: str) -> bool:
    return not text or text != text.strip() or any(sign in text for sign in ",#'\"")


def _printable(text: str, key: str) -> str:
    if not text.isprintable() or "[" in text[:1] or "]" in text[-1:]:
        raise UsageError(f"{key}: {text!r:.60} cannot be written into an INI file")
    return text


def _try(_values: Content) -> Sequence[str]:
    return [
        "sudo -u metrics-importer leexportpy start -c {directory}/config.ini --once --dry-run",
        "sudo systemctl enable --now leexportpy.service",
    ]


LEEXPORT = Vendor(
    "leexportpy",
    _PROJECT,
    "statistics of log queries",
    (
        Question("rw_api_key", "API key of Log Search", "secret"),
        Question("region", "region", default="eu", choices=("us", "us2", "us3", "eu", "ca", "au", "ap")),
        Question("url", "another address of the API", is_optional=True),
        Question("name", "name of the first search", default="Requests per minute"),
        Question("logs", "keys of the logs that it is about, with commas between", "list"),
        Question("statement", "its statement in LEQL", default="where(status>=200) calculate(count)"),
        Question("query_period", "seconds between two questions", "number", default=60),
        Question("query_range", "seconds that each of them is about", "number", default=600),
        Question("metric_name", "name of the metric", default="logs.requests"),
    ),
    _config,
    _try,
    main_file="config.ini",
)
