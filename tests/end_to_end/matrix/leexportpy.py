"""leexportpy: two searches for each store, of recorded answers."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from importer.points import Point
from tests.contract.stores.base import Store
from tests.end_to_end.matrix.run import OpenStores, Run, commands_in
from tests.leexport.answers import answer as search_answer
from tests.leexport.site import COUNT, GROUPS, opened_site


def run_leexportpy(home: Path, open_stores: OpenStores, *, again: bool = False) -> Run:
    """Run two searches for each store, one for a series and one for groups; `again` does it twice."""
    commands = commands_in(home)
    root = "again-web" if again else "web"
    stores = open_stores(commands.state_dir)
    with opened_site(commands) as site:
        site.api.answers |= {COUNT: search_answer("timeseries"), GROUPS: search_answer("groups")}
        for title, store in stores.items():
            site.search(f"series {title}", {**_service(store), "metric_name": f"{root}.errors"})
            site.search(f"groups {title}", {**_service(store), **_groups(store, root)}, statement=GROUPS)
        site.search("series dummy", {"service": "dummy"})
        result = site.once()
        if again:
            assert result.code == 0, result
            result = site.once()
    return Run(
        result,
        commands.state_dir,
        "leexportpy",
        stores,
        re.compile(rf"{root.replace('-', '[-_]')}[._]"),
        lambda _store: _search_points(root),
        messages=_search_messages,
        times=2 if again else 1,
    )


def _service(store: Store) -> dict[str, object]:
    """Return a destination as a search has it."""
    keys = store.description()
    if keys["protocol"] in {"plain", "pickle"}:
        return {"service": "graphite", **keys}
    keys.pop("api_key", None)  # stands in [Services]
    service = keys.pop("protocol")
    return {"service": service, **keys, **({"message_format": "json"} if service == "kafka" else {})}


def _groups(store: Store, root: str) -> dict[str, object]:
    if store.description()["protocol"] == "hosted_graphite":
        return {"group_metric": f"{root}.status.{{label}}"}
    return {"metric_name": f"{root}.status"}


def _series() -> tuple[int, int, list[float]]:
    """Return start and step in seconds, and the values, of the recorded series."""
    told = search_answer("timeseries")["statistics"]
    values = [point["count"] for point in told["timeseries"]["global_timeseries"]]
    return told["from"] // 1000, told["granularity"] // 1000, values


def _statuses() -> tuple[int, dict[str, float]]:
    """Return the end of the window in seconds, and the values by label, of the recorded groups."""
    told = search_answer("groups")["statistics"]
    return told["to"] // 1000, {label: held["count"] for group in told["groups"] for label, held in group.items()}


def _search_points(root: str) -> list[Point]:
    start, step, values = _series()
    end, statuses = _statuses()
    errors = [Point((root, "errors"), value, start + step * number) for number, value in enumerate(values)]
    return [*errors, *(Point((root, "status"), value, end, (("group", label),)) for label, value in statuses.items())]


def _search_messages(title: str) -> list[Mapping[str, object]]:
    start, step, values = _series()
    _, statuses = _statuses()
    times = [
        f"{datetime.fromtimestamp(start + step * number, UTC):%Y-%m-%dT%H:%M:%SZ}" for number in range(len(values))
    ]
    pairs = {f"series {title}": zip(times, values, strict=True), f"groups {title}": statuses.items()}
    return [{"key": key, "value": value, "search": search} for search, found in pairs.items() for key, value in found]
