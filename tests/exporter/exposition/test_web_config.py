"""`web` of config.json: what exporter-toolkit's keys mean, and what is said of mistakes in them."""

import ssl
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.errors import Problem
from importer.exporter.exposition.basic_auth import MAX_REMEMBERED, Passwords, credentials_of
from importer.exporter.exposition.web_config import WebConfig, read_web_config
from tests.http_servers import make_certificate

LACE = "$2b$04$V01cy2cWro2y9EE2GDcW5u/rRfzT9JioOg2gVou/hbYu6M371qKFa"


def read(folder: Path, web: object) -> tuple[WebConfig | None, list[str]]:
    """Return what is read, and the mistakes as they are told."""
    problems: list[Problem] = []
    config = read_web_config(ObjectReader(folder / "config.json", {"web": web}, problems=problems).child("web"))
    return config, [str(problem).removeprefix(f"{folder}/config.json: web.") for problem in problems]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    make_certificate(tmp_path)
    return tmp_path


def tls(**keys: object) -> dict[str, object]:
    return {"tls_server_config": {"cert_file": "server.pem", "key_file": "key.pem", **keys}}


def context_of(folder: Path, **keys: object) -> ssl.SSLContext:
    config, problems = read(folder, tls(**keys))
    assert problems == []
    assert config is not None
    assert config.tls is not None
    return config.tls.context


def test_the_key_may_be_a_credential_of_systemd(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files / "credentials"
    folder.mkdir()
    (files / "key.pem").rename(folder / "key.pem")
    assert read(files, tls())[1] == [
        f"tls_server_config.key_file: {files}/key.pem cannot be read: No such file or directory"
    ]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    context_of(files)


@pytest.mark.parametrize("web", [None, {}])
def test_nothing_said_is_nothing(tmp_path: Path, web: object) -> None:
    assert read(tmp_path, web) == (None, [])


def test_all_of_it_is_read(files: Path) -> None:
    web = {
        **tls(client_ca_file="server.pem", client_auth_type="RequireAndVerifyClientCert"),
        "http_server_config": {"http2": True, "headers": {"X-Frame-Options": "deny"}},
        "basic_auth_users": {"ada": LACE},
    }
    config, problems = read(files, web)
    assert problems == []
    assert config is not None
    assert config.users == {"ada": LACE}
    assert config.headers == ((b"x-frame-options", b"deny"),)
    assert config.tls is not None
    assert config.tls.context.verify_mode == ssl.CERT_REQUIRED
    assert LACE not in repr(config)


def test_versions_suites_and_preferences_are_those_of_the_file(files: Path) -> None:
    suites = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"]
    keys = {"min_version": "TLS12", "max_version": "TLS12", "cipher_suites": suites}
    context = context_of(files, **keys, curve_preferences=["CurveP384"], prefer_server_cipher_suites=False)
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    old = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert old == ["ECDHE-ECDSA-AES128-GCM-SHA256"]
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_without_a_word_it_is_tls_1_2_and_1_3_and_no_client_certificate(files: Path) -> None:
    context = context_of(files)
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_versions_that_are_out_of_date_are_there_for_who_asks_for_them(files: Path) -> None:
    assert context_of(files, min_version="TLS10").minimum_version == ssl.TLSVersion.TLSv1


def test_two_readings_are_equal_until_a_file_or_a_setting_changes(files: Path) -> None:
    first, _ = read(files, tls())
    assert read(files, tls())[0] == first
    assert read(files, tls(min_version="TLS13"))[0] != first
    make_certificate(files)
    assert read(files, tls())[0] != first


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"tls_config": {}}, 'tls_config: improper key; did you mean "tls_server_config"?'),
        (tls(cert="x"), "tls_server_config.cert: improper key"),
        ({"tls_server_config": {"cert_file": "server.pem"}}, "tls_server_config.key_file: is missing"),
        (tls(cert_file="none.pem"), "none.pem cannot be read: No such file or directory"),
        (tls(cert_file="config.txt"), "are not a certificate and its key"),
        (tls(key_file="other.pem"), "are not a certificate and its key, without password: KEY_VALUES_MISMATCH"),
        (tls(min_version="TLS14"), 'tls_server_config.min_version: "TLS14" is not one of TLS10, TLS11, TLS12, TLS13'),
        (tls(min_version="TLS13", max_version="TLS12"), "max_version: TLS12 is below min_version, TLS13"),
        (tls(client_ca_file="server.pem"), "client_ca_file: is of no use without client_auth_type"),
        (tls(client_auth_type="RequireAndVerifyClientCert"), "client_ca_file: is missing; client_auth_type"),
        (tls(client_auth_type="RequireAnyClientCert"), "client_auth_type: "),
        (tls(client_ca_file="config.txt", client_auth_type="VerifyClientCertIfGiven"), "holds no certificate"),
        (tls(cipher_suites=["RC4"]), "cipher_suites: 'RC4' is not known"),
        (tls(curve_preferences=["P-256"]), "curve_preferences: 'P-256' is not one of CurveP256"),
        ({"basic_auth_users": {"ada": "love:lace"}}, "basic_auth_users.ada: is not a bcrypt hash; htpasswd -nBC 10"),
        ({"basic_auth_users": {"a:b": LACE}}, "basic_auth_users.a:b: a name is not empty and has no colon in it"),
        ({"basic_auth_users": {"ada": 3}}, "basic_auth_users.ada: is not a bcrypt hash"),
        (
            {"http_server_config": {"headers": {"Server": "x"}}},
            "headers.Server: cannot be set; Content-Security-Policy",
        ),
        ({"http_server_config": {"headers": {"Cache-Control": "a\r\nb: c"}}}, "is not one line of ASCII text"),
        ({"http_server_config": {"http2": "yes, please"}}, "http_server_config.http2: "),
    ],
)
def test_a_mistake_is_told_in_one_line(files: Path, web: object, said: str) -> None:
    (files / "config.txt").write_text("{}")
    other = files / "other"
    other.mkdir()
    make_certificate(other)
    (files / "other.pem").write_bytes((other / "key.pem").read_bytes())
    _, problems = read(files, web)
    (problem,) = problems
    assert said in problem
    assert "love:lace" not in problem


def test_a_right_password_is_remembered_and_a_wrong_one_is_not() -> None:
    passwords = Passwords({"ada": LACE})
    assert not passwords.is_right("ada", b"wrong")
    assert not passwords.is_right("bob", b"lace")
    assert not passwords.is_remembered("ada", b"lace")
    assert passwords.is_right("ada", b"lace")
    assert passwords.is_remembered("ada", b"lace")
    for name, password in (("ada", b"wrong"), ("bob", b"lace"), ("ad", b"alace")):
        assert not passwords.is_remembered(name, password)


def test_no_more_is_remembered_than_a_little() -> None:
    hashes = {f"user{number}": LACE for number in range(MAX_REMEMBERED + 1)}
    passwords = Passwords(hashes)
    assert all(passwords.is_right(name, b"lace") for name in hashes)
    remembered = [name for name in hashes if passwords.is_remembered(name, b"lace")]
    assert remembered == list(hashes)[1:]


def test_a_password_that_bcrypt_cannot_take_is_just_wrong() -> None:
    passwords = Passwords({"ada": LACE})
    assert not passwords.is_right("ada", b"x" * 1000)
    assert not passwords.is_right("ada", b"lace\x00")
    assert not passwords.is_right("ada", b"")


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic !!!", "Bearer YTpi", "Basic YWI=", "Basic /zph"])
def test_what_is_no_basic_authentication_has_no_name(header: str | None) -> None:
    assert credentials_of(header) is None
