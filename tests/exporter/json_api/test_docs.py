"""The page of config-only services tells what they do."""

import json
import re
from pathlib import Path

import pytest

from importer.config import ObjectReader
from tests.commands import ROOT
from tests.exporter.json_services import answers, read_entry, samples, service_of, shown
from tests.http_servers import book_server

PAGE = (ROOT / "docs" / "systems" / "collectington-json.rst").read_text()
BLOCKS = [
    re.sub(r"^    ", "", block, flags=re.M).strip() + "\n"
    for block in re.findall(r"^\.\. code-block:: \w+\n\n((?:    .*\n|\n)+)", PAGE, flags=re.M)
]
OF_OTHERS = {"port", "address", "api_call_intervals"}


def test_the_worked_example_is_true(tmp_path: Path) -> None:
    configuration, answer, exposition = BLOCKS[:3]
    entry = json.loads(configuration)["services"]["orders"]
    (tmp_path / "secret").write_text("TOKEN=x")
    with book_server(*answers(json.loads(answer))) as vendor:
        entry |= {"api_url": vendor.url, "secret_file_path": str(tmp_path / "secret")}
        with service_of(tmp_path, entry) as service:
            assert not service.poll().faults
            assert shown(service.families()) == exposition


def test_the_other_examples_are_without_mistakes(tmp_path: Path) -> None:
    (tmp_path / "client-secret").write_text("x")
    entry = {"api_url": "https://api.example.com", "metrics": [{"name": "a", "path": "$"}]}
    examples = [json.loads(f"{{{block}}}" if block.startswith('"') else block) for block in BLOCKS[3:]]
    assert len(examples) == 7
    for example in examples:
        more = {"metrics": [example]} if "name" in example else example
        service, problems = read_entry({**entry, **more}, tmp_path)
        assert problems == []
        assert service is not None
        service.close()


def test_the_example_of_keys_is_true(tmp_path: Path) -> None:
    (metric,) = (json.loads(block) for block in BLOCKS if '"keys"' in block)
    (document,) = re.findall(r"``(\{\"queues\".*?\}\}\})``", PAGE)
    with (
        book_server(*answers(json.loads(document))) as vendor,
        service_of(tmp_path, {"api_url": vendor.url, "metrics": [metric]}) as service,
    ):
        assert not service.poll().faults
        found = [f"``{name} {value}``" for name, value in samples(service).items()]
    assert len(found) == 2
    assert all(text in PAGE for text in found)


def test_every_key_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    original = ObjectReader.value

    def value(reader: ObjectReader, key: str) -> object:
        asked.add(key)
        return original(reader, key)

    monkeypatch.setattr(ObjectReader, "value", value)
    ways = [{"next_link": "$.a"}, {"page_parameter": "p"}, {"offset_parameter": "o"}]
    ways.append({"cursor_parameter": "c", "cursor": "$.c"})
    for way in ways:
        entry = {
            "api_url": "https://api.example.com",
            "basic_auth": {},
            "oauth2": {},
            "pages": {"items": "$", **way},
            "metrics": [{"name": "a", "path": "$"}],
        }
        read_entry(entry, tmp_path)
    assert {"last_page", "total", "client_secret_file", "time_zone", "cursor"} <= asked
    missing = {key for key in asked if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", PAGE)}
    assert missing == set()
    assert all(key in PAGE for key in OF_OTHERS)
