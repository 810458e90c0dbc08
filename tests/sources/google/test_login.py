"""Logging in: stored tokens, refreshing and storing them, keys of service accounts."""

import json
import logging
import stat
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from importer.credentials import redact
from importer.errors import ConfigError, SourceError, SourceRefused, SourceUnavailable
from importer.simulators.base import Answer
from tests.collector.google_world import WEEK, GoogleWorld
from tests.collector.vendor_world import golden
from tests.commands import ROOT

EMAIL = "importer@example.iam.gserviceaccount.com"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def ask(google: GoogleWorld, credentials: Mapping[str, Any]) -> int:
    """Ask with these credentials, and return how many rows come."""
    return len(list(google.client(credentials).query.get("123", *WEEK, ["sessions"])))


def forms(google: GoogleWorld) -> list[dict[str, str]]:
    return [request.form for request in google.vendor.requests_to("/token")]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def known_account(google: GoogleWorld, key: rsa.RSAPrivateKey) -> None:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    google.vendor.tokens.service_accounts[EMAIL] = public.decode()


def test_a_stored_token_is_used_as_long_as_it_lives(google: GoogleWorld) -> None:
    before = google.storage.read_bytes()
    assert ask(google, google.v3()) == 3
    assert (forms(google), google.storage.read_bytes()) == ([], before)


def test_an_expired_token_is_refreshed_and_written_back_beside_unknown_keys(google: GoogleWorld) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z", team="metrics")
    assert ask(google, google.v3()) == 3
    assert forms(google) == [
        {
            "grant_type": "refresh_token",
            "client_id": "1234-abcd.apps.googleusercontent.com",
            "client_secret": "not-a-real-secret",
            "refresh_token": "1/example",
        }
    ]
    stored = google.stored
    assert (stored["access_token"], stored["team"]) == ("ya29.simulated-1", "metrics")
    assert stored["token_response"]["access_token"] == "ya29.simulated-1"
    expires = datetime.fromisoformat(stored["token_expiry"])
    assert timedelta(minutes=50) < expires - datetime.now(UTC) < timedelta(minutes=61)
    assert stat.S_IMODE(google.storage.stat().st_mode) == 0o600
    assert ask(google, google.v3()) == 3
    assert len(forms(google)) == 1


def test_a_token_that_cannot_be_stored_is_a_warning(google: GoogleWorld, caplog: pytest.LogCaptureFixture) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z")
    handle = google.storage.open()  # what it holds can be read by this name, beside which nobody can write
    with handle, caplog.at_level(logging.WARNING):
        assert ask(google, google.v3(STORAGE_PATH=f"/proc/self/fd/{handle.fileno()}")) == 3
    assert "new token is not stored" in caplog.text
    assert google.stored["access_token"] == "ya29.example"


def test_secrets_and_tokens_are_masked_from_then_on(google: GoogleWorld) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z")
    ask(google, google.v3())
    assert redact("not-a-real-secret 1/example ya29.simulated-1") == "*** *** ***"


def test_a_revoked_login_is_told_in_googles_words_with_the_file_and_the_remedy(google: GoogleWorld) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z")
    google.vendor.fail(Answer.json(golden("google-token-error"), status=400))
    with pytest.raises(SourceRefused) as caught:
        ask(google, google.v3())
    assert "HTTP 400: Token has been expired or revoked.; " in str(caught.value)
    assert str(caught.value).endswith(f"{google.storage}: make it with generate-ga-credentials CLIENT_SECRET.json")


def test_a_token_endpoint_that_is_down_is_asked_five_times(google: GoogleWorld) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z")
    google.vendor.fail(Answer(503), times=None, when="/token")
    with pytest.raises(SourceUnavailable, match=r"Max retries exceeded for http://[^ ]*/token: HTTP 503"):
        ask(google, google.v3())
    assert len(forms(google)) == 5


def test_what_the_storage_lacks_is_taken_from_the_secrets(google: GoogleWorld) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z", client_id=None, client_secret=None, token_uri=None)
    secrets = golden("google-client-secret")
    secrets["installed"]["token_uri"] = google.vendor.token_uri
    google.secrets.write_text(json.dumps({"web": secrets["installed"]}))
    assert ask(google, google.v3()) == 3


def test_a_missing_storage_is_told_with_the_tool_that_makes_it(google: GoogleWorld) -> None:
    google.storage.unlink()
    with pytest.raises(ConfigError) as caught:
        ask(google, google.v3())
    remedy = "make it with generate-ga-credentials CLIENT_SECRET.json"
    assert str(caught.value) == f"{google.storage}: does not exist; {remedy}"


def test_an_invalid_storage_is_told_with_the_tool_that_makes_it(google: GoogleWorld) -> None:
    google.store(invalid=True)
    with pytest.raises(ConfigError, match=r"storage.db: invalid: is marked as invalid; make it with generate-ga-cred"):
        ask(google, google.v3())


def test_a_storage_without_a_refresh_token_is_told(google: GoogleWorld) -> None:
    google.store(refresh_token=None)
    with pytest.raises(ConfigError, match=r"storage.db: refresh_token: is missing; make it with"):
        ask(google, google.v3())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer.json({"token_type": "Bearer"}), r"no token: .*; .*storage.db: make it with generate-ga-credentials"),
        (Answer.json([]), r"/token: the answer is not a JSON object"),
        (Answer(200, body=b"<html>"), r"/token: the answer is not a JSON object"),
    ],
)
def test_an_answer_without_a_token_is_told(google: GoogleWorld, answer: Answer, why: str) -> None:
    google.store(token_expiry="2015-06-01T10:00:00Z")
    google.vendor.fail(answer, when="/token")
    with pytest.raises(SourceError, match=why):
        ask(google, google.v3())


def test_a_token_that_tells_no_expiry_is_used_until_it_is_refused(google: GoogleWorld) -> None:
    google.store(token_expiry=None)
    assert ask(google, google.v3()) == 3
    google.vendor.tokens.accept("another")
    assert ask(google, google.v3()) == 3
    assert len(forms(google)) == 1


@pytest.mark.parametrize("content", [[], "text", {"client_email": EMAIL}])
def test_a_file_that_is_no_service_account_is_told(google: GoogleWorld, tmp_path: Path, content: object) -> None:
    path = tmp_path / "service-account.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"service-account.json: private_key: is missing; download the JSON key"):
        ask(google, {"SERVICE_ACCOUNT": str(path), "url": google.vendor.v3_url})


def test_a_key_file_that_is_missing_is_told(google: GoogleWorld, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key.pem: cannot be read: No such file"):
        ask(google, google.v3(ACCOUNT_NAME=EMAIL, PRIVATE_KEY=str(tmp_path / "key.pem")))


def test_a_token_endpoint_that_is_no_address_is_told(google: GoogleWorld) -> None:
    google.store(token_uri="ftp://127.0.0.1/token")
    with pytest.raises(ConfigError, match=r"storage.db: token_uri: only http:// and https://"):
        ask(google, google.v3())


def test_secrets_of_another_kind_are_told(google: GoogleWorld) -> None:
    google.secrets.write_text("{}")
    with pytest.raises(ConfigError, match=r'client_secrets.json: has neither "installed" nor "web"'):
        ask(google, google.v3())


@pytest.mark.parametrize("kind", ["object", "storage of objects", "storage of attributes"])
def test_a_login_may_be_embedded(google: GoogleWorld, kind: str) -> None:
    fields = google.stored | {"token_expiry": "2015-06-01T10:00:00Z"}
    attributes = SimpleNamespace(**{**fields, "token_expiry": datetime.fromisoformat("2015-06-01T10:00:00")})
    embedded = {
        "object": fields,
        "storage of objects": SimpleNamespace(get=lambda: fields),
        "storage of attributes": SimpleNamespace(get=lambda: attributes),
    }[kind]
    secrets = golden("google-client-secret")
    credentials = {"CLIENT_SECRETS": secrets, "OAUTH2_CREDENTIALS": embedded, "url": google.vendor.v3_url}
    assert ask(google, credentials) == 3
    assert forms(google)[0]["refresh_token"] == "1/example"


@pytest.mark.usefixtures("known_account")
def test_a_service_account_signs_for_its_token(google: GoogleWorld, key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    path = tmp_path / "service-account.json"
    account = {"client_email": EMAIL, "private_key": pem_of(key), "token_uri": google.vendor.token_uri}
    path.write_text(json.dumps({"type": "service_account", **account}))
    assert ask(google, {"SERVICE_ACCOUNT": str(path), "url": google.vendor.v3_url}) == 3
    assert forms(google)[0]["grant_type"] == JWT_BEARER


def test_a_service_account_that_google_does_not_know_is_told(
    google: GoogleWorld, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    path = tmp_path / "service-account.json"
    account = {"client_email": EMAIL, "private_key": pem_of(key), "token_uri": google.vendor.token_uri}
    path.write_text(json.dumps(account))
    with pytest.raises(SourceRefused, match=r"HTTP 400: Invalid JWT.*service-account.json: give the key of a service"):
        ask(google, {"SERVICE_ACCOUNT": str(path), "url": google.vendor.v3_url})


@pytest.mark.usefixtures("known_account")
@pytest.mark.parametrize("kind", ["PEM", "PKCS 12"])
def test_an_old_service_account_has_a_key_file_and_stores_its_token(
    google: GoogleWorld, key: rsa.RSAPrivateKey, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "key.p12"
    protection = serialization.BestAvailableEncryption(b"notasecret")
    packed = pkcs12.serialize_key_and_certificates(b"privatekey", key, None, None, protection)
    path.write_bytes(pem_of(key).encode() if kind == "PEM" else packed)
    google.storage.write_text(json.dumps({"token_uri": google.vendor.token_uri, "team": "metrics"}))
    credentials = google.v3(ACCOUNT_NAME=EMAIL, PRIVATE_KEY=str(path))
    assert ask(google, credentials) == 3
    assert (google.stored["access_token"], google.stored["team"]) == ("ya29.simulated-1", "metrics")
    assert ask(google, credentials) == 3
    assert len(forms(google)) == 1


@pytest.mark.usefixtures("known_account")
def test_a_token_of_another_service_account_is_not_used(
    google: GoogleWorld, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_text(pem_of(key))
    google.store(service_account_name="someone@else")
    assert ask(google, google.v3(ACCOUNT_NAME=EMAIL, PRIVATE_KEY=str(tmp_path / "key.pem"))) == 3
    assert len(forms(google)) == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "holds no private RSA key"),
        (b"nothing", "is neither PEM nor PKCS 12"),
    ],
)
def test_a_key_that_cannot_be_used_is_told(google: GoogleWorld, tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"key.pem: {why}"):
        ask(google, google.v3(ACCOUNT_NAME=EMAIL, PRIVATE_KEY=str(path)))


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        ({}, "credentials: tells no login; give CLIENT_SECRETS and STORAGE_PATH, or SERVICE_ACCOUNT"),
        ({"CLIENT_SECRETS": "a"}, "credentials: STORAGE_PATH: is missing"),
        ({"ACCOUNT_NAME": "a", "STORAGE_PATH": "b"}, "credentials: PRIVATE_KEY: is missing"),
        ({"CLIENT_SECRETS": {}, "OAUTH2_CREDENTIALS": 7}, "credentials: OAUTH2_CREDENTIALS: is neither"),
        ({"SERVICE_ACCOUNT": "a", "PROPERTIES": {"ga:1": "ga:2"}}, "PROPERTIES.ga:1: is not a property"),
        ({"SERVICE_ACCOUNT": "a", "url": "ftp://x"}, "credentials: url: "),
    ],
)
def test_credentials_that_cannot_be_used_are_told(google: GoogleWorld, credentials: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        google.client(credentials)


def test_a_missing_extra_is_one_clear_line(google: GoogleWorld) -> None:
    script = f"""
import sys
sys.modules["google.auth"] = None
from importer.collector.ga_entrypoint import create_client
from importer.errors import ConfigError
from datetime import date
try:
    create_client({google.v3()!r}).query.get("123", date(2015, 6, 1), date(2015, 6, 7), ["sessions"])
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("google-auth is not installed: install metrics-importer[google], or google-auth\n")
