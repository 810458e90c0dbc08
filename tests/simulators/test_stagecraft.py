"""What the simulated Stagecraft answers."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from importer.simulators.stagecraft import TOKEN, StagecraftSimulator

TIMEOUT_SECONDS = 10


@pytest.fixture
def simulator() -> Iterator[StagecraftSimulator]:
    with StagecraftSimulator() as simulator:
        simulator.collectors["devices"] = {"slug": "devices"}
        simulator.data_sets["d"] = {"name": "d", "data_group": "g", "data_type": "t"}
        simulator.data_groups.append({"name": "g"})
        yield simulator


def call(
    simulator: StagecraftSimulator, path: str, *, method: str = "GET", token: str = TOKEN, **request: Any
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", **request.pop("headers", {})}
    return requests.request(method, f"{simulator.url}{path}", headers=headers, timeout=TIMEOUT_SECONDS, **request)


@pytest.mark.parametrize("path", ["/collector/devices", "/data-sets", "/dashboard"])
def test_each_call_needs_the_token(simulator: StagecraftSimulator, path: str) -> None:
    answer = call(simulator, path, token="another")
    assert (answer.status_code, answer.json()["status"]) == (401, "error")


def test_a_collector_is_found_by_its_slug_or_not_at_all(simulator: StagecraftSimulator) -> None:
    assert call(simulator, "/collector/devices").json() == {"slug": "devices"}
    assert call(simulator, "/collector").json() == [{"slug": "devices"}]
    assert call(simulator, "/collector/other").status_code == 404


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/data-sets", ["d"]),
        ("/data-sets?data-group=g&data-type=t", ["d"]),
        ("/data-sets?data-group=g&data-type=other", []),
        ("/data-groups?name=g", ["g"]),
        ("/data-groups?name=other", []),
    ],
)
def test_queries_find_what_fits(simulator: StagecraftSimulator, path: str, names: list[str]) -> None:
    assert [found["name"] for found in call(simulator, path).json()] == names


def test_what_is_created_is_kept_unless_it_cannot_be_read(simulator: StagecraftSimulator) -> None:
    assert call(simulator, "/data-sets", method="POST", json={"name": "new"}).json() == {"status": "ok"}
    assert call(simulator, "/data-sets", method="POST", data="{").status_code == 400
    packed = call(simulator, "/data-sets", method="POST", data="{}", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 400
    assert simulator.created == [("/data-sets", {"name": "new"})]


def test_a_user_can_be_made_to_log_in_again(simulator: StagecraftSimulator) -> None:
    assert call(simulator, "/auth/gds/api/users/u/reauth", method="POST").status_code == 204
