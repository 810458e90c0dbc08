"""The client of the vendor's API: what it asks, and what it makes of refusals, limits and old lists of apps."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import BadAnswer, SourceRefused, SourceUnavailable
from importer.http_response import Response
from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME, ApteligentSimulator, demo_apps
from importer.simulators.base import HTML_PAGE, Answer, reset
from importer.sources.apteligent.api import MAX_RESET_SECONDS, rate_limit_reset
from importer.sources.apteligent.asking import Account
from tests.apteligent import BIKE, DUTCH, Clock, golden, opened_account


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Iterator[ApteligentSimulator]:
    with ApteligentSimulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def account(vendor: ApteligentSimulator, tmp_path: Path, clock: Clock) -> Iterator[Account]:
    with opened_account(vendor, tmp_path, clock=clock) as opened:
        yield opened


def fresh_cache(folder: Path, clock: Clock, *, age_seconds: float) -> None:
    """Let the list of apps, and the blacklist before it, be that old by the tests' clock."""
    os.utime(folder / "app.blacklist", (0, 0))
    stamp = clock.now - age_seconds
    os.utime(folder / "cache" / "apps.json", (stamp, stamp))


def test_the_login_is_a_form_with_the_client_as_user_without_password(
    vendor: ApteligentSimulator, account: Account
) -> None:
    account.apps()
    login, apps = vendor.requests
    assert (login.method, login.path, login.query) == ("POST", "/v1.0/token", {})
    assert login.form == {"grant_type": "password", "username": USERNAME, "password": PASSWORD}
    assert login.headers["authorization"].startswith("Basic ")
    assert CLIENT_ID not in login.target
    assert apps.query == {"attributes": "appName,linkToAppStore,appVersions,latestVersionString,iconURL"}
    assert apps.headers["content-type"] == "application/json"
    assert apps.headers["authorization"].startswith("Bearer ")


def test_the_list_of_apps_is_kept_for_a_day(
    vendor: ApteligentSimulator, account: Account, tmp_path: Path, clock: Clock
) -> None:
    assert [app.name for app in account.apps()] == [app.name for app in demo_apps()]
    for age_seconds, requests in ((0, 1), (24 * 3600 - 1, 1), (24 * 3600, 2), (-5, 3)):
        fresh_cache(tmp_path, clock, age_seconds=age_seconds)
        account.apps()
        assert len(vendor.requests_to("/v1.0/apps")) == requests


def test_a_newer_blacklist_renews_the_list_of_apps(
    vendor: ApteligentSimulator, account: Account, tmp_path: Path, clock: Clock
) -> None:
    account.apps()
    fresh_cache(tmp_path, clock, age_seconds=100)
    (tmp_path / "app.blacklist").write_text(BIKE.app_id)
    os.utime(tmp_path / "app.blacklist", (clock.now - 50, clock.now - 50))
    assert BIKE.app_id not in [app.id for app in account.apps()]
    assert len(vendor.requests_to("/v1.0/apps")) == 2


def test_an_old_list_serves_where_no_new_one_is_to_be_had(
    vendor: ApteligentSimulator, account: Account, tmp_path: Path, clock: Clock
) -> None:
    account.apps()
    fresh_cache(tmp_path, clock, age_seconds=10 * 24 * 3600)
    for fault in (HTML_PAGE, Answer(500), reset):
        vendor.fail(fault, when="/v1.0/apps", times=None)
        assert len(account.apps()) == 3
        vendor.heal()


def test_the_limit_that_is_left_is_logged(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    account.apps()
    assert "rate limit left: 999999 of 1000000, reset in " in caplog.text


def test_a_token_refused_in_one_request_is_renewed_once_for_all_threads(tmp_path: Path, clock: Clock) -> None:
    with (
        ApteligentSimulator(clock=clock) as vendor,
        opened_account(vendor, tmp_path, clock=clock, threads=8) as account,
    ):
        apps = account.apps()
        vendor.revoke_tokens()
        answers = list(account.ask(apps * 10, lambda app: account.api.live(app.id)))
        assert len(answers) == 30
        assert len(vendor.requests_to("/v1.0/token")) == 2


def test_a_new_token_that_is_refused_ends_the_cycle_after_what_was_answered(tmp_path: Path, clock: Clock) -> None:
    with ApteligentSimulator(clock=clock) as vendor, opened_account(vendor, tmp_path, clock=clock) as account:
        apps = account.apps()
        vendor.fail(Answer(403), when=f"/v1.0/liveStats/periodic/{DUTCH.app_id}", times=None)
        answers = account.ask(apps, lambda app: account.api.live(app.id))
        assert next(answers)[0].name == "Bike Shop"
        with pytest.raises(SourceRefused, match="a new token is refused: HTTP 403"):
            list(answers)
        asked = vendor.request_count
        with pytest.raises(SourceRefused):
            account.api.live(BIKE.app_id)
        assert vendor.request_count == asked
        vendor.heal()
        account.api.begin_cycle()
        account.api.live(BIKE.app_id)


def test_an_unreachable_host_is_not_asked_again_in_the_cycle(vendor: ApteligentSimulator, account: Account) -> None:
    account.apps()
    vendor.stop()
    with pytest.raises(SourceUnavailable, match="connection") as first:
        account.api.live(BIKE.app_id)
    if not first.value.unreachable:  # the kept connection was found to be closed first
        with pytest.raises(SourceUnavailable) as first:
            account.api.live(BIKE.app_id)
    with pytest.raises(SourceUnavailable) as second:
        account.api.live(DUTCH.app_id)
    assert second.value is first.value
    vendor.start()
    account.api.begin_cycle()
    account.api.live(BIKE.app_id)


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (b'{"reset": 42}', {}, 42.0),
        (b'{"reset": 0.5}', {"Retry-After": "7"}, 0.5),
        (b'{"reset": -5}', {}, 0.0),
        (b'{"reset": 1e999}', {}, MAX_RESET_SECONDS),
        (b'{"reset": 1' + b"0" * 400 + b"}", {}, MAX_RESET_SECONDS),
        (b'{"reset": true}', {"Retry-After": "7"}, 7.0),
        (b'{"reset": "42"}', {}, None),
        (b"<html>", {"Retry-After": "7"}, 7.0),
        (b"[]", {}, None),
    ],
)
def test_how_long_to_wait_is_read_from_a_429(body: bytes, headers: dict[str, str], seconds: float | None) -> None:
    assert rate_limit_reset(Response(429, headers, body)) == seconds


def test_what_the_vendor_says_of_a_refusal_is_passed_on(vendor: ApteligentSimulator, account: Account) -> None:
    vendor.fail(Answer.json(golden("token-refused"), status=401), when="/v1.0/token")
    with pytest.raises(SourceRefused, match=r"HTTP 401: invalid_grant: Invalid credentials given\.; mend username"):
        account.apps()


def test_a_limit_that_is_too_long_is_an_error_that_says_so(vendor: ApteligentSimulator, account: Account) -> None:
    apps = account.apps()
    vendor.fail(Answer.json({"message": "slow", "reset": 61}, status=429), times=None)
    with pytest.raises(SourceUnavailable, match="HTTP 429: slow; it resets in 61 s"):
        account.api.live(apps[0].id)


def test_bad_parameters_are_a_bad_answer(account: Account) -> None:
    with pytest.raises(BadAnswer, match="HTTP 400: graph must be one of"):
        account.api.graph(BIKE.app_id, "nonsense", minutes=2880)


def test_check_says_what_answers(account: Account) -> None:
    assert account.api.check().endswith(" answers: logged in, 3 apps")


def test_a_stop_ends_asking_early(tmp_path: Path, clock: Clock) -> None:
    stop = threading.Event()
    with (
        ApteligentSimulator(clock=clock) as vendor,
        opened_account(vendor, tmp_path, clock=clock, stop=stop) as account,
    ):
        apps = account.apps()
        answers = account.ask(apps, lambda app: account.api.live(app.id))
        next(answers)
        stop.set()
        assert len(list(answers)) < len(apps)
