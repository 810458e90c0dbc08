"""The simulated vendor API answers as the real one did, with figures that can be worked out beforehand."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import requests

from importer.simulators.apteligent import ApteligentSimulator
from importer.simulators.apteligent_access import CLIENT_ID, PASSWORD, USERNAME, rate_limited
from importer.simulators.apteligent_answers import APP_ATTRIBUTES
from importer.simulators.apteligent_apps import App, demo_apps
from importer.simulators.apteligent_figures import (
    daily_value,
    live_bucket,
    running_value,
    service_value,
    slices,
    version_slices,
)
from importer.simulators.apteligent_question import DAILY_METRICS, SERVICE_METRICS
from importer.simulators.http_wire import Answer

TIMEOUT_SECONDS = 10
NOW = datetime(2016, 5, 3, 8, 7, 33, tzinfo=UTC).timestamp()
BIKE, DUTCH, INDIA = demo_apps()
LOGIN = {"grant_type": "password", "username": USERNAME, "password": PASSWORD}


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Client:
    """A client with a good token."""

    def __init__(self, simulator: ApteligentSimulator) -> None:
        self.url = simulator.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {simulator.issue_token()}"

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=TIMEOUT_SECONDS)

    def post(self, path: str, params: object = None) -> requests.Response:
        if params is None:
            return self.session.post(self.url + path, timeout=TIMEOUT_SECONDS)
        return self.session.post(self.url + path, json={"params": params}, timeout=TIMEOUT_SECONDS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: ApteligentSimulator) -> Iterator[Client]:
    client = Client(simulator)
    with client.session:
        yield client


def log_in(
    simulator: ApteligentSimulator, form: dict[str, str], *, client_id: str = CLIENT_ID, query: str = ""
) -> requests.Response:
    url = f"{simulator.url}/v1.0/token{query}"
    return requests.post(url, data=form, auth=(client_id, "ANYTHING"), timeout=TIMEOUT_SECONDS)


# Login


def test_a_login_gives_a_token_that_opens_the_api(simulator: ApteligentSimulator) -> None:
    answer = log_in(simulator, LOGIN).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 86400)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert requests.get(simulator.url + "/v1.0/apps", headers=headers, timeout=TIMEOUT_SECONDS).ok


def test_a_login_may_come_as_query_and_name_a_duration(simulator: ApteligentSimulator) -> None:
    query = f"?grant_type=password&username={USERNAME}&password={PASSWORD}&duration=31536000"
    assert log_in(simulator, {}, query=query).json()["expires_in"] == 31_536_000


@pytest.mark.parametrize(
    ("change", "client_id", "status", "error"),
    [
        ({"password": "wrong"}, CLIENT_ID, 401, "invalid_grant"),
        ({"username": "nobody"}, CLIENT_ID, 401, "invalid_grant"),
        ({}, "wrong", 401, "invalid_client"),
        ({"grant_type": "code"}, CLIENT_ID, 400, "unsupported_grant_type"),
        ({"duration": "long"}, CLIENT_ID, 400, "invalid_request"),
    ],
)
def test_a_wrong_login_is_refused(
    simulator: ApteligentSimulator, change: dict[str, str], client_id: str, status: int, error: str
) -> None:
    response = log_in(simulator, LOGIN | change, client_id=client_id)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.json()["error_description"]


@pytest.mark.parametrize("authorization", ["", "Basic !", "Basic gICA", "Bearer x"])
def test_a_login_without_a_client_is_refused(simulator: ApteligentSimulator, authorization: str) -> None:
    headers = {"Authorization": authorization}
    url = simulator.url + "/v1.0/token"
    assert requests.post(url, LOGIN, headers=headers, timeout=TIMEOUT_SECONDS).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.0/apps"),
        ("POST", "/v1.0/errorMonitoring/graph"),
        ("POST", "/v1.0/errorMonitoring/pie"),
        ("POST", "/v1.0/errorMonitoring/sparklines"),
        ("POST", "/v1.0/performanceManagement/pie"),
        ("POST", f"/v1.0/liveStats/periodic/{BIKE.app_id}"),
        ("POST", f"/v1.0/liveStats/totals/{BIKE.app_id}"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_a_good_token_nothing_is_told(
    simulator: ApteligentSimulator, method: str, path: str, headers: dict[str, str]
) -> None:
    response = requests.request(method, simulator.url + path, headers=headers, timeout=TIMEOUT_SECONDS)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")


def test_a_token_expires(client: Client, clock: Clock) -> None:
    clock.now += 86_399
    assert client.get("/v1.0/apps").status_code == 200
    clock.now += 1
    assert client.get("/v1.0/apps").status_code == 401


def test_revoked_tokens_are_refused_and_new_ones_are_not(simulator: ApteligentSimulator, client: Client) -> None:
    simulator.revoke_tokens()
    assert client.get("/v1.0/apps").status_code == 401
    client.session.headers["Authorization"] = f"Bearer {simulator.issue_token()}"
    assert client.get("/v1.0/apps").status_code == 200


def test_the_entry_points_need_no_token(simulator: ApteligentSimulator) -> None:
    base = requests.get(simulator.url + "/allyourbase", timeout=TIMEOUT_SECONDS).json()
    assert base == {"versions": {"v1": {"latest": "v1.0"}}, "links": {"v1.0": {"href": "/v1.0"}}}
    assert "links" in requests.get(simulator.url + "/v1.0", timeout=TIMEOUT_SECONDS).json()


# Limits


def test_good_answers_tell_what_is_left_of_the_limit(clock: Clock) -> None:
    with ApteligentSimulator(clock=clock, rate_limit=2) as simulator, Client(simulator).session as session:
        url = simulator.url + "/v1.0/apps"
        headers = session.get(url, timeout=TIMEOUT_SECONDS).headers
        left = [headers[f"Rate-Limit-{name}"] for name in ("Limit", "Remaining", "Reset")]
        assert left == ["2", "1", str(3600 - 7 * 60 - 33)]
        assert session.get(url, timeout=TIMEOUT_SECONDS).headers["Rate-Limit-Remaining"] == "0"
        response = session.get(url, timeout=TIMEOUT_SECONDS)
        assert (response.status_code, "Rate-Limit-Limit" in response.headers) == (429, False)
        assert response.json() == {
            "message": "API rate limit exceeded",
            "actual": 3,
            "limit": 2,
            "reset": 3600 - 7 * 60 - 33,
        }
        clock.now += response.json()["reset"]
        assert session.get(url, timeout=TIMEOUT_SECONDS).status_code == 200


def test_a_rate_limit_can_be_played_as_a_fault(simulator: ApteligentSimulator, client: Client) -> None:
    simulator.fail(rate_limited(reset_seconds=42), when="/v1.0/apps")
    response = client.get("/v1.0/apps")
    assert response.status_code == 429
    assert response.json() == {"message": "API rate limit exceeded", "actual": 3601, "limit": 3600, "reset": 42}
    assert client.get("/v1.0/apps").status_code == 200


# Apps


def test_the_app_list_has_what_was_asked_and_links(client: Client) -> None:
    apps = client.get("/v1.0/apps?attributes=appName,linkToAppStore,appVersions,latestVersionString,iconURL").json()
    assert list(apps) == [BIKE.app_id, DUTCH.app_id, INDIA.app_id]
    bike = apps[BIKE.app_id]
    assert list(bike) == ["appName", "linkToAppStore", "appVersions", "latestVersionString", "iconURL", "links"]
    assert (bike["appName"], bike["latestVersionString"]) == ("Bike Shop", "3.10.1 (88)")
    assert bike["appVersions"] == ["3.10.1 (88)", "3.2", "dot_2", "total"]
    assert apps[DUTCH.app_id]["linkToAppStore"] is None


def test_the_app_list_has_everything_when_nothing_is_asked(client: Client) -> None:
    app = client.get("/v1.0/apps").json()[BIKE.app_id]
    assert app.keys() == {*APP_ATTRIBUTES, "links"}
    assert app["dau"] == running_value(BIKE, "dau", NOW)


def test_unknown_attributes_are_bad_parameters(client: Client) -> None:
    response = client.get("/v1.0/apps?attributes=appName,colour")
    assert (response.status_code, response.json()) == (400, {"message": "unknown attributes: colour"})


def test_any_number_of_apps_has_ids_of_their_own() -> None:
    apps = demo_apps(2000)
    assert len({app.app_id for app in apps}) == len({app.name for app in apps}) == 2000
    assert apps[:3] == demo_apps()
    assert [app.name for app in demo_apps(1)] == ["Bike Shop"]


# errorMonitoring


def graph(metric: str, app: App, minutes: int = 2880) -> dict[str, object]:
    return {"graph": metric, "duration": minutes, "appId": app.app_id}


@pytest.mark.parametrize("metric", DAILY_METRICS)
def test_a_graph_of_two_days_is_yesterday_and_the_running_day(client: Client, metric: str) -> None:
    answer = client.post("/v1.0/errorMonitoring/graph", graph(metric, BIKE)).json()
    yesterday = date(2016, 5, 2)  # it is still 00:07 of the 3rd at -8
    assert answer == {
        "params": graph(metric, BIKE),
        "data": {
            "start": "2016-05-02T00:00:00",
            "end": "2016-05-04T00:00:00",
            "interval": 86400,
            "series": [
                {
                    "name": metric,
                    "points": [daily_value(BIKE, metric, yesterday), running_value(BIKE, metric, NOW)],
                }
            ],
        },
    }


def test_days_begin_at_midnight_of_the_apps_own_zone(client: Client, clock: Clock) -> None:
    clock.now = datetime(2016, 5, 3, 18, 29, 59, tzinfo=UTC).timestamp()
    before = client.post("/v1.0/errorMonitoring/graph", graph("dau", INDIA)).json()["data"]
    clock.now += 1
    after = client.post("/v1.0/errorMonitoring/graph", graph("dau", INDIA)).json()["data"]
    assert (before["start"], after["start"]) == ("2016-05-02T00:00:00", "2016-05-03T00:00:00")
    assert after["series"][0]["points"] == [daily_value(INDIA, "dau", date(2016, 5, 3)), 0]


def test_a_graph_of_thirty_days_has_thirty_points(client: Client) -> None:
    data = client.post("/v1.0/errorMonitoring/graph", graph("crashes", DUTCH, 43_200)).json()["data"]
    start = date.fromisoformat(data["start"][:10])
    days = [start + timedelta(days=number) for number in range(29)]
    points = data["series"][0]["points"]
    assert points[:-1] == [daily_value(DUTCH, "crashes", day) for day in days]
    assert len(points) == 30


def test_an_app_in_no_store_has_no_rating(client: Client) -> None:
    data = client.post("/v1.0/errorMonitoring/graph", graph("rating", DUTCH)).json()["data"]
    assert data["series"] == [{"name": "rating", "points": [None, None]}]


@pytest.mark.parametrize("group_by", ["appVersion", "carrier", "device", "os"])
@pytest.mark.parametrize("metric", ["appLoads", "crashes", "crashPercent", "dau"])
def test_a_pie_is_the_running_day_in_slices(client: Client, metric: str, group_by: str) -> None:
    params = graph(metric, DUTCH, 1440) | {"groupBy": group_by}
    answer = client.post("/v1.0/errorMonitoring/pie", params).json()
    assert answer["params"] == params
    assert answer["data"] == {
        "start": "2016-05-03T00:00:00",
        "end": "2016-05-04T00:00:00",
        "interval": 86400,
        "slices": [piece._asdict() for piece in slices(DUTCH, metric, group_by, NOW)],
    }


def test_a_filter_leaves_a_part(client: Client) -> None:
    params = graph("appLoads", DUTCH, 1440) | {"groupBy": "appVersion"}
    whole = client.post("/v1.0/errorMonitoring/pie", params).json()["data"]["slices"]
    filtered = params | {"filters": {"carrier": "KPN NL"}}
    part = client.post("/v1.0/errorMonitoring/pie", filtered).json()["data"]["slices"]
    assert all(0 < small["value"] < large["value"] for small, large in zip(part, whole, strict=True))


def test_several_apps_are_taken_together(client: Client) -> None:
    params = {"graph": "crashes", "duration": 1440, "appIds": [BIKE.app_id, DUTCH.app_id]}
    (series,) = client.post("/v1.0/errorMonitoring/graph", params).json()["data"]["series"]
    by_app = client.post("/v1.0/errorMonitoring/pie", params | {"groupBy": "appId"}).json()["data"]["slices"]
    assert [piece["label"] for piece in by_app] == ["Bike Shop", "Tweedehands (NL)"]
    assert [piece["value"] for piece in by_app] == [running_value(app, "crashes", NOW) for app in (BIKE, DUTCH)]
    assert series["points"] == [sum(piece["value"] for piece in by_app)]


def test_sparklines_are_pies_over_time(client: Client) -> None:
    params = graph("appLoads", DUTCH) | {"groupBy": "appVersion"}
    series = client.post("/v1.0/errorMonitoring/sparklines", params).json()["data"]["series"]
    assert [line["points"][-1] for line in series] == [piece.value for piece in version_slices(DUTCH, "appLoads", NOW)]
    assert all(len(line["points"]) == 2 for line in series)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("graph", {"graph": "colour"}, "graph must be one of"),
        ("graph", {"graph": None}, "graph must be one of"),
        ("graph", {"duration": 15}, "duration must be whole days"),
        ("graph", {"duration": 1440 * 61}, "duration must be whole days"),
        ("graph", {"duration": "1440"}, "duration must be a number"),
        ("graph", {"duration": True}, "duration must be a number"),
        ("graph", {"duration": 0}, "duration must be a number"),
        ("graph", {"appId": "unknown"}, "unknown app: unknown"),
        ("graph", {"appIds": [BIKE.app_id]}, "either appId or appIds"),
        ("graph", {"groupBy": "carrier"}, "graph takes no groupBy"),
        ("graph", {"colour": 1}, "unknown parameters: colour"),
        ("graph", {"filters": {"colour": "red"}}, "filters takes one of"),
        ("graph", {"filters": ["os"]}, "filters must be"),
        ("pie", {}, "groupBy is missing"),
        ("pie", {"groupBy": "service"}, "groupBy must be one of"),
        ("sparklines", {}, "groupBy is missing"),
    ],
)
def test_bad_parameters_are_told(client: Client, kind: str, change: dict[str, object], message: str) -> None:
    response = client.post(f"/v1.0/errorMonitoring/{kind}", graph("dau", BIKE, 1440) | change)
    assert response.status_code == 400
    assert message in response.json()["message"]


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"{}", "application/json", "params is missing"),
        (b'{"params": []}', "application/json", "params is missing"),
        (b"{", "application/json", "the body is not JSON"),
        (b"\xff", "application/json", "the body is not JSON"),
        (b'{"params": {}}', "text/plain", "Content-Type must be"),
        (
            b'{"params": {"graph": "dau", "duration": 1440, "appIds": "x"}}',
            "application/json",
            "appIds must be a list",
        ),
    ],
)
def test_bodies_that_are_no_question_are_told(client: Client, body: bytes, content_type: str, message: str) -> None:
    response = client.session.post(
        client.url + "/v1.0/errorMonitoring/graph",
        data=body,
        headers={"Content-Type": content_type},
        timeout=TIMEOUT_SECONDS,
    )
    assert response.status_code == 400
    assert message in response.json()["message"]


# performanceManagement


@pytest.mark.parametrize("metric", SERVICE_METRICS)
def test_services_of_the_last_quarter_hour(client: Client, metric: str) -> None:
    params = {"appIds": [BIKE.app_id], "graph": metric, "duration": 15, "groupBy": "service"}
    answer = client.post("/v1.0/performanceManagement/pie", params).json()
    end = datetime(2016, 5, 3, 8, 5, tzinfo=UTC).timestamp()
    values = [(host, service_value(BIKE, host, metric, end)) for host in BIKE.hosts]
    assert answer == {
        "params": params,
        "data": {
            "start": "2016-05-03T07:50:00",
            "end": "2016-05-03T08:05:00",
            "interval": 300,
            "slices": [{"name": host, "label": host, "value": value} for host, value in values],
        },
    }
    assert all(value >= 0 for _, value in values)


def test_services_can_be_grouped_otherwise(client: Client) -> None:
    params = {"appIds": [BIKE.app_id], "graph": "volume", "duration": 60}
    (app,) = client.post("/v1.0/performanceManagement/pie", params | {"groupBy": "appId"}).json()["data"]["slices"]
    systems = client.post("/v1.0/performanceManagement/pie", params | {"groupBy": "os"}).json()["data"]["slices"]
    assert sum(piece["value"] for piece in systems) == pytest.approx(app["value"], abs=len(systems))
    assert (systems[2]["name"], systems[2]["label"]) == ("ios6.1.3", "iOS 6.1.3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"graph": "dau"}, "graph must be one of dataIn"),
        ({"duration": 20}, "duration must be one of 15"),
        ({"groupBy": "host"}, "groupBy must be one of"),
    ],
)
def test_bad_service_parameters_are_told(client: Client, change: dict[str, object], message: str) -> None:
    params = {"appIds": [BIKE.app_id], "graph": "volume", "duration": 15, "groupBy": "service"} | change
    response = client.post("/v1.0/performanceManagement/pie", params)
    assert response.status_code == 400
    assert message in response.json()["message"]


# liveStats


def periodic(app: App, query: str) -> str:
    return f"/v1.0/liveStats/periodic/{app.app_id}?{query}"


def test_the_first_live_question_gives_five_minutes_of_finished_buckets(client: Client) -> None:
    answer = client.post(periodic(BIKE, "app_version=total&initialize=1")).json()
    end = datetime(2016, 5, 3, 8, 7, 30, tzinfo=UTC).timestamp()
    starts = [end - 300 + 10 * number for number in range(30)]
    assert answer == {"success": 1, "periodic_data": [live_bucket(BIKE, start).as_json() for start in starts]}
    assert [bucket["time"] for bucket in answer["periodic_data"]] == [int(start * 1000) for start in starts]


def test_later_live_questions_give_the_last_bucket(client: Client) -> None:
    (bucket,) = client.post(periodic(BIKE, "app_version=total")).json()["periodic_data"]
    assert bucket["time"] == datetime(2016, 5, 3, 8, 7, 20, tzinfo=UTC).timestamp() * 1000


def test_a_bucket_stays_as_it_was(client: Client, clock: Clock) -> None:
    first = client.post(periodic(BIKE, "initialize=1")).json()["periodic_data"]
    clock.now += 120
    second = client.post(periodic(BIKE, "initialize=1")).json()["periodic_data"]
    assert second[:18] == first[12:]


def test_live_figures_of_a_version_are_a_part_and_of_no_version_none(client: Client) -> None:
    whole = client.post(periodic(INDIA, "initialize=1")).json()["periodic_data"]
    part = client.post(periodic(INDIA, "app_version=6.6.0&initialize=1")).json()["periodic_data"]
    assert 0 < sum(bucket["app_loads"] for bucket in part) < sum(bucket["app_loads"] for bucket in whole)
    assert client.post(periodic(INDIA, "app_version=9.9")).json() == {"success": 1, "periodic_data": []}


def test_live_totals_are_those_of_the_running_day(client: Client) -> None:
    answer = client.post(f"/v1.0/liveStats/totals/{DUTCH.app_id}?app_version=total").json()
    assert answer["total_app_loads"] == running_value(DUTCH, "appLoads", NOW)
    assert answer["total_errors"] == running_value(DUTCH, "crashes", NOW)
    assert answer.keys() == {"success", "total_app_loads", "total_errors", "total_exceptions"}
    part = client.post(f"/v1.0/liveStats/totals/{DUTCH.app_id}?app_version=1.0").json()
    assert part["total_app_loads"] < answer["total_app_loads"]


@pytest.mark.parametrize("kind", ["periodic", "totals"])
def test_live_figures_of_an_unknown_app_are_no_success(client: Client, kind: str) -> None:
    assert client.post(f"/v1.0/liveStats/{kind}/unknown").json() == {"success": 0}


# Fixed answers


def test_fixed_answers_go_before_figures_the_closest_first(simulator: ApteligentSimulator, client: Client) -> None:
    pie = "errorMonitoring/pie"
    simulator.answers[pie, None, None] = "any"
    simulator.answers[pie, None, "crashes"] = "any app"
    simulator.answers[pie, BIKE.app_id, None] = "any metric"
    simulator.answers[pie, BIKE.app_id, "crashes/carrier"] = {"fixed": True}

    def ask(metric: str, app: App, group_by: str) -> object:
        return client.post(f"/v1.0/{pie}", graph(metric, app, 1440) | {"groupBy": group_by}).json()

    assert ask("crashes", BIKE, "carrier") == {"fixed": True}
    assert ask("crashes", BIKE, "os") == "any metric"
    assert ask("crashes", DUTCH, "os") == "any app"
    assert ask("dau", DUTCH, "os") == "any"


def test_fixed_answers_may_be_raw(simulator: ApteligentSimulator, client: Client) -> None:
    simulator.answers["apps", None, None] = Answer(200, {"Content-Type": "application/json"}, b"[]")
    simulator.answers["liveStats/periodic", BIKE.app_id, "total"] = {"success": 0}
    assert client.get("/v1.0/apps").json() == []
    assert client.post(periodic(BIKE, "app_version=total")).json() == {"success": 0}
    assert client.post(periodic(BIKE, "app_version=3.2")).json()["success"] == 1


def test_fixed_answers_are_for_good_tokens_and_parameters_only(simulator: ApteligentSimulator, client: Client) -> None:
    simulator.answers["errorMonitoring/graph", None, None] = {"fixed": True}
    assert client.post("/v1.0/errorMonitoring/graph", graph("colour", BIKE)).status_code == 400
    simulator.revoke_tokens()
    assert client.post("/v1.0/errorMonitoring/graph", graph("dau", BIKE)).status_code == 401


# As a process


def test_another_process_serves_the_same_figures() -> None:
    command = [sys.executable, "-m", "importer.simulators.apteligent", "--apps", "5", "--latency", "0.001"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        login = requests.post(f"{url}/v1.0/token", LOGIN, auth=(CLIENT_ID, ""), timeout=TIMEOUT_SECONDS).json()
        headers = {"Authorization": f"Bearer {login['access_token']}"}
        app = demo_apps(5)[4]
        path = f"{url}/v1.0/liveStats/periodic/{app.app_id}?app_version=total&initialize=1"
        buckets = requests.post(path, headers=headers, timeout=TIMEOUT_SECONDS).json()["periodic_data"]
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert [live_bucket(app, bucket["time"] / 1000).as_json() for bucket in buckets] == buckets
    assert len(buckets) == 30
