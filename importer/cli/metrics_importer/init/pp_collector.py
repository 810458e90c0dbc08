"""First configurations of pp-collector: a query, what the vendor wants to know, a token, and where records go."""

import re
from collections.abc import Sequence
from pathlib import Path

from importer.cli.metrics_importer.init.answers import Answers, Question
from importer.cli.metrics_importer.init.files import PlannedFile
from importer.cli.metrics_importer.init.vendor import Content, Given, Vendor, as_json, checked_json
from importer.config import ObjectReader
from importer.errors import UsageError
from importer.stores import load_json

_PROJECT = "pp-collector"
_PLATFORM = "performanceplatform.json"
_PREFIX = "performanceplatform.collector."
_CREDENTIALS = "credentials."
_QUERY = "query."
_OPTIONS = "options."
_FOLDER = "credentials/"
_SECRET = re.compile("token|password|secret|key")
"""Is in the names of secrets; Google's CLIENT_SECRETS is the name of a file."""

_MORE = {
    f"{_PREFIX}pingdom": (
        Question("query.name", "name of the check"),
        Question("credentials.token", "API token of Pingdom", "secret", folder=_FOLDER),
    ),
    f"{_PREFIX}ga": (
        Question("query.id", "property, such as properties/123456789"),
        Question("query.metrics", "metrics, with commas between", "list"),
        Question("query.dimensions", "dimensions", "list", is_optional=True),
        Question("credentials.SERVICE_ACCOUNT", "file of the service account's key"),
    ),
}
"""What the collectors that need little are asked with; others are told by flags."""


def _more(values: Content, answers: Answers) -> Sequence[Question]:
    """Return the questions of the entrypoint, of the data set, and those that flags answer."""
    known = list(_MORE.get(str(values.get("entrypoint")), ()))
    if values.get("backdrop_url"):
        known.append(Question("token", "token of the data set", "secret", folder="tokens/"))
    keys = {question.key for question in known}
    for prefix in (_QUERY, _OPTIONS, _CREDENTIALS):
        for key in answers.given_beginning(prefix):
            if key not in keys:
                is_secret = key in answers.secret_files or (prefix == _CREDENTIALS and _SECRET.search(key))
                kind = "secret" if is_secret else "text"
                known.append(Question(key, key, kind, folder=_FOLDER))
    return known


def _files(given: Given) -> Sequence[PlannedFile]:
    values, slug = given.values, str(given.values["slug"])
    if "/" in slug or slug.startswith(".") or not slug.isprintable():
        raise UsageError(f"slug: {slug!r:.60} is not a name for files")
    query = {
        "entrypoint": values["entrypoint"],
        "data-set": {"data-group": values["data-group"], "data-type": values["data-type"]},
        "query": _inner(values, _QUERY),
        **({"options": options} if (options := _inner(values, _OPTIONS)) else {}),
    }
    credentials = as_json(_inner(values, _CREDENTIALS))
    check = _check_pingdom if values["entrypoint"] == f"{_PREFIX}pingdom" else None
    token = {key: values[key] for key in ("token", "token_file") if key in values}
    return [
        checked_json(_PROJECT, "query.json", query, state=given.state, at=f"queries/{slug}.json"),
        PlannedFile(f"credentials/{slug}.json", credentials, check),
        PlannedFile(f"tokens/{slug}.json", as_json(token)),
        *_platform(given),
    ]


def _inner(values: Content, prefix: str) -> Content:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _platform(given: Given) -> Sequence[PlannedFile]:
    content: dict[str, object] = {}
    if given.values.get("backdrop_url"):
        content["backdrop_url"] = given.values["backdrop_url"]
    if given.store is not None:
        content["destination"] = given.store
    return [checked_json(_PROJECT, _PLATFORM, content, state=given.state)] if content else []


def _check_pingdom(path: Path) -> None:
    from importer.sources.pingdom.config import read_access  # on use: other vendors do without it

    read_access(ObjectReader(path, load_json(path)))


def _try(values: Content) -> Sequence[str]:
    slug = values["slug"]
    files = f"-c {{directory}}/credentials/{slug}.json -t {{directory}}/tokens/{slug}.json -b {{directory}}/{_PLATFORM}"
    return [f"sudo -u metrics-importer pp-collector -q {{directory}}/queries/{slug}.json {files} --dry-run"]


PP_COLLECTOR = Vendor(
    "pp-collector",
    _PROJECT,
    "web analytics and uptime for data sets",
    (
        Question("slug", "name of the collection, for its files"),
        Question("entrypoint", "collector", default=f"{_PREFIX}pingdom"),
        Question("data-group", "group of the data set"),
        Question("data-type", "type of the data set"),
        Question("backdrop_url", "address of the data-set API", is_optional=True),
    ),
    _files,
    _try,
    more=_more,
    default_store=lambda values: None if values.get("backdrop_url") else "sqlite",
    store_file=_PLATFORM,
)
