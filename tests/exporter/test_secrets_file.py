"""Secrets files are read as before, but for `=` in values, empty lines and comments."""

from pathlib import Path

import pytest

from importer.errors import ConfigError
from importer.exporter.secrets_file import (
    convert_list_of_key_value_pairs_to_dict,
    get_credentials_from_secret_file,
    load_secrets,
    read_file_content_into_list,
)

GOLDEN = Path(__file__).parent / "golden" / "splunk.secret"
SECRETS = {"API_KEY": "5f3c=with==equals", "API_ID": "id-fixture"}


def test_both_readers_give_what_a_file_holds() -> None:
    assert load_secrets(GOLDEN) == SECRETS
    assert get_credentials_from_secret_file(str(GOLDEN)) == SECRETS


def test_a_value_may_have_quotes_around_it_blanks_and_quotes_in_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(
        '\ufeff A = "one two" \r\nB=it\'s\nC="\nD=\'x\'\nE=\n#F=1\n  # G\nA2=a"b"\nB=last', encoding="utf-8"
    )
    assert load_secrets(path) == {"A": "one two", "B": "last", "C": '"', "D": "'x'", "E": "", "A2": 'a"b"'}


def test_a_line_that_is_no_pair_is_told_by_its_number_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("A=1\nhunter2\n\nhunter3")
    with pytest.raises(ConfigError) as caught:
        load_secrets(path)
    assert caught.value.lines == (f'{path}:2: is not KEY="VALUE"', f'{path}:4: is not KEY="VALUE"')
    with pytest.raises(ValueError, match=r"^line 2 of the secrets file is not KEY=VALUE$"):
        get_credentials_from_secret_file(str(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_secrets(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        read_file_content_into_list(str(tmp_path / "none"))


def test_the_functions_of_old_keep_their_answers(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(' A="1" \n\nB=2\n')
    assert read_file_content_into_list(str(path)) == ["A=1", "", "B=2"]
    assert read_file_content_into_list(None) is None
    assert convert_list_of_key_value_pairs_to_dict(["A=1", "", "# x", "B=2=3"]) == {"A": "1", "B": "2=3"}
    assert convert_list_of_key_value_pairs_to_dict([]) == {}
    assert convert_list_of_key_value_pairs_to_dict(None) == {}
    assert get_credentials_from_secret_file(None) == {}
