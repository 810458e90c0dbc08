"""Secrets that systemd hands to a service as files, wherever a configuration names them."""

import json
from pathlib import Path

import pytest

from importer.config import ObjectReader
from importer.exporter.json_api.config import read_json_service
from importer.exporter.secrets_file import get_credentials_from_secret_file
from importer.handed_over import VARIABLE, credential_path
from importer.sources.google.account import load_account


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that systemd has made, with one file in it; the working directory is another one."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "secret").write_text('KEY="sesame"\n')
    monkeypatch.setenv(VARIABLE, str(folder))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_a_name_among_the_credentials_wins_over_a_file_beside_the_configuration(credentials: Path) -> None:
    beside = credentials.parent
    (beside / "secret").touch()
    assert credential_path("secret", beside=beside) == credentials / "secret"
    assert credential_path("other", beside=beside) == beside / "other"
    assert credential_path("secret", beside=beside, environ={}) == beside / "secret"


def test_a_whole_path_is_that_path(credentials: Path) -> None:
    assert credential_path(f"{credentials.parent}/secret") == credentials.parent / "secret"


def test_the_secrets_file_of_a_class_may_be_a_credential(credentials: Path) -> None:
    assert get_credentials_from_secret_file("./secret") == {"KEY": "sesame"}


def test_the_secrets_file_of_a_service_without_a_class_may_be_a_credential(credentials: Path) -> None:
    metrics = [{"name": "stock", "path": "$.stock"}]
    entry = {"api_url": "http://127.0.0.1:9/${KEY}", "secret_file_path": "secret", "metrics": metrics}
    keys = ObjectReader(credentials.parent / "config.json", entry)
    assert read_json_service(keys, name="shop") is not None
    (credentials / "secret").unlink()
    assert read_json_service(ObjectReader(keys.file, entry), name="shop") is None


@pytest.mark.parametrize("content", [{"SERVICE_ACCOUNT": "secret"}, {"ACCOUNT_NAME": "a@b", "PRIVATE_KEY": "secret"}])
def test_a_key_of_google_may_be_a_credential(credentials: Path, content: dict[str, str]) -> None:
    login = load_account(ObjectReader(Path("ga.json"), content)).login
    assert credentials / "secret" in (login.service_account, login.private_key)


def test_googles_download_for_an_application_may_be_a_credential(credentials: Path) -> None:
    content = json.loads('{"CLIENT_SECRETS": "secret", "STORAGE_PATH": "secret"}')
    login = load_account(ObjectReader(Path("ga.json"), content)).login
    assert (login.client_secrets, login.storage) == (credentials / "secret", Path("secret"))
