"""The clients of the administration: which call is which request."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from importer.backdrop.admin import AdminAPI
from importer.backdrop.collector_api import CollectorAPI
from importer.simulators.base import Answer
from importer.simulators.stagecraft import TOKEN, StagecraftSimulator
from tests.backdrop.conftest import Waits


@pytest.fixture
def stagecraft() -> Iterator[StagecraftSimulator]:
    with StagecraftSimulator() as simulator:
        yield simulator


@pytest.fixture
def admin(stagecraft: StagecraftSimulator) -> AdminAPI:
    return AdminAPI(f"{stagecraft.url}/", TOKEN)


BODY = {"name": "é"}
CALLS: Mapping[tuple[str, str], tuple[str, tuple[Any, ...]]] = {
    ("GET", "/data-sets?data-group=tax-disc&data-type=a+b"): ("get_data_set", ("tax-disc", "a b")),
    ("GET", "/data-groups?name=tax-disc"): ("get_data_group", ("tax-disc",)),
    ("GET", "/data-sets/tax_disc"): ("get_data_set_by_name", ("tax_disc",)),
    ("GET", "/data-sets/tax_disc/transform"): ("get_data_set_transforms", ("tax_disc",)),
    ("GET", "/data-sets/tax_disc/dashboard"): ("get_data_set_dashboard", ("tax_disc",)),
    ("GET", "/data-sets"): ("list_data_sets", ()),
    ("GET", "/users/a%2Bb%40example.org"): ("get_user", ("a+b@example.org",)),
    ("GET", "/dashboards"): ("list_dashboards", ()),
    ("GET", "/dashboard/7"): ("get_dashboard", (7,)),
    ("GET", "/dashboard?slug=tax"): ("get_dashboards", ({"slug": "tax"},)),
    ("GET", "/dashboard"): ("get_dashboards", ()),
    ("GET", "/transactions-explorer-service/t%2F1/dashboard"): ("get_dashboard_by_tx_id", ("t/1",)),
    ("GET", "/module/m"): ("get_module", ("m",)),
    ("GET", "/transform-type"): ("get_transform_types", ()),
    ("GET", "/organisation/node?type=department"): ("list_organisations", ({"type": "department"},)),
    ("GET", "/dashboard/7/module"): ("list_modules_on_dashboard", ("7",)),
    ("GET", "/module-type"): ("list_module_types", ()),
    ("POST", "/data-sets"): ("create_data_set", (BODY,)),
    ("POST", "/data-groups"): ("create_data_group", (BODY,)),
    ("POST", "/transform"): ("create_transform", (BODY,)),
    ("POST", "/dashboard"): ("create_dashboard", (BODY,)),
    ("POST", "/dashboard/7/module"): ("add_module_to_dashboard", ("7", BODY)),
    ("POST", "/module-type"): ("add_module_type", (BODY,)),
    ("POST", "/auth/gds/api/users/u/reauth"): ("reauth", ("u",)),
    ("PUT", "/dashboard/7"): ("update_dashboard", ("7", BODY)),
    ("DELETE", "/dashboard/7"): ("delete_dashboard", ("7",)),
}


@pytest.mark.parametrize(("method", "target"), CALLS, ids=lambda part: part)
def test_each_call_is_its_request(stagecraft: StagecraftSimulator, admin: AdminAPI, method: str, target: str) -> None:
    name, arguments = CALLS[method, target]
    stagecraft.fail(Answer.json(["answer"]))
    answer = getattr(admin, name)(*arguments)
    assert answer == ("answer" if name in {"get_data_set", "get_data_group"} else ["answer"])
    [request] = stagecraft.requests
    assert (request.method, request.target) == (method, target)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    has_body = BODY in arguments
    assert request.body == (b'{"name": "\\u00e9"}' if has_body else b"")
    assert request.headers.get("content-type") == ("application/json" if has_body else None)


def test_every_call_of_the_administration_is_in_the_table() -> None:
    public = {name for name in vars(AdminAPI) if not name.startswith("_")} - {"compresses"}
    assert public == {name for name, _ in CALLS.values()}


def test_what_is_not_there_is_none(stagecraft: StagecraftSimulator, admin: AdminAPI) -> None:
    assert (admin.get_data_set("g", "t"), admin.get_data_set_by_name("n"), admin.get_data_group("g")) == (
        None,
        None,
        None,
    )
    stagecraft.fail(Answer(404), times=2)
    assert (admin.get_data_set("g", "t"), admin.get_data_group("g")) == (None, None)
    with pytest.raises(requests.HTTPError, match="HTTP 404: no such thing: n"):
        admin.get_dashboard("n")


def test_long_bodies_are_not_compressed(stagecraft: StagecraftSimulator, admin: AdminAPI) -> None:
    admin.create_dashboard({"text": "x" * 5000})
    [(path, content)] = stagecraft.created
    assert (path, content) == ("/dashboard", {"text": "x" * 5000})


def test_a_dashboard_can_be_deleted(stagecraft: StagecraftSimulator, admin: AdminAPI) -> None:
    stagecraft.dashboards["7"] = {"slug": "tax"}
    assert admin.get_dashboard("7") == {"slug": "tax"}
    assert admin.delete_dashboard("7") is None
    assert admin.get_dashboards() == []


def test_a_wrong_token_is_refused_with_the_servers_text(stagecraft: StagecraftSimulator) -> None:
    with pytest.raises(requests.HTTPError, match="HTTP 401: Unauthorized: Invalid or no token"):
        AdminAPI(stagecraft.url, None).list_data_sets()


def test_the_administration_is_asked_again_like_a_data_set(stagecraft: StagecraftSimulator, waits: Waits) -> None:
    stagecraft.fail(Answer(502), times=2)
    assert AdminAPI(stagecraft.url, TOKEN, backoff=waits.backoff).list_data_sets() == []
    assert waits.seconds == [1.0, 2.0]


def test_collectors_and_their_kinds(stagecraft: StagecraftSimulator) -> None:
    stagecraft.collectors["devices"] = {"slug": "devices"}
    stagecraft.collector_types["ga"] = {"slug": "ga"}
    client = CollectorAPI(stagecraft.url, TOKEN)
    assert client.get_collector("devices") == {"slug": "devices"}
    assert client.list_collectors() == [{"slug": "devices"}]
    assert client.get_collector_type("ga") == {"slug": "ga"}
    assert client.list_collector_types() == [{"slug": "ga"}]
    targets = [request.target for request in stagecraft.requests]
    assert targets == ["/collector/devices", "/collector", "/collector-type/ga", "/collector-type"]


def test_a_slug_leads_nowhere_else(stagecraft: StagecraftSimulator) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        CollectorAPI(stagecraft.url, TOKEN).get_collector("../data-sets?x")
    assert stagecraft.requests[0].target == "/collector/..%2Fdata-sets%3Fx"


def test_the_administration_shows_a_dry_run_too(
    stagecraft: StagecraftSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client = AdminAPI(stagecraft.url, TOKEN, dry_run=True)
    assert client.create_data_set(BODY) is None
    assert client.get_data_set("g", "t") is None
    assert client.reauth("u") is None
    messages = [record.getMessage() for record in caplog.records]
    assert json.loads(messages[1]) == BODY
    assert messages[5] == "no body"
    assert stagecraft.requests == ()
