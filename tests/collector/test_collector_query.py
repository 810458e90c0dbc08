"""A collector's query, asked of Stagecraft."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.backdrop.base import PATIENT
from importer.collector.collector_query import NoCollector, get_config
from importer.errors import ConfigError
from importer.simulators.base import BROKEN_JSON, Answer
from importer.simulators.stagecraft import TOKEN, StagecraftSimulator

COLLECTOR = json.loads((Path(__file__).parent / "golden/stagecraft-collector.json").read_text())
SLUG = COLLECTOR["slug"]


@pytest.fixture
def stagecraft() -> Iterator[StagecraftSimulator]:
    with StagecraftSimulator() as simulator:
        simulator.collectors[SLUG] = COLLECTOR
        yield simulator


def platform(simulator: StagecraftSimulator, token: str = TOKEN) -> dict[str, Any]:
    return {"stagecraft_url": f"{simulator.url}/", "omniscient_api_token": token}


def test_the_collector_says_what_a_query_file_would(stagecraft: StagecraftSimulator) -> None:
    assert get_config(SLUG, platform(stagecraft)) == {
        "entrypoint": "performanceplatform.collector.ga",
        "data-set": {"data-group": "performance-platform", "data-type": "devices"},
        "query": COLLECTOR["query"],
        "options": COLLECTOR["options"],
    }
    [request] = stagecraft.requests
    assert request.target == f"/collector/{SLUG}"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"


def test_the_token_may_be_in_a_file(stagecraft: StagecraftSimulator, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    keys = {"stagecraft_url": stagecraft.url, "omniscient_api_token_file": str(tmp_path / "token")}
    assert get_config(SLUG, keys)["options"] == COLLECTOR["options"]


def test_a_collector_without_options_has_none(stagecraft: StagecraftSimulator) -> None:
    stagecraft.collectors[SLUG] = {**COLLECTOR, "options": None}
    assert get_config(SLUG, platform(stagecraft))["options"] == {}


def test_a_wrong_token_is_told_with_slug_and_status(stagecraft: StagecraftSimulator) -> None:
    with pytest.raises(NoCollector, match=rf"collector {SLUG}: .*HTTP 401: Unauthorized") as caught:
        get_config(SLUG, platform(stagecraft, "another-token"))
    assert "another-token" not in str(caught.value)


def test_a_slug_that_is_unknown_is_told_with_the_status(stagecraft: StagecraftSimulator) -> None:
    with pytest.raises(NoCollector, match=r"^collector nothing: .*HTTP 404: no such thing: nothing"):
        get_config("nothing", platform(stagecraft))


def test_stagecraft_is_asked_again(stagecraft: StagecraftSimulator) -> None:
    pauses: list[float] = []
    stagecraft.fail(Answer(503), times=None)
    with pytest.raises(NoCollector, match=r"Max retries exceeded for .*HTTP 503"):
        get_config(SLUG, platform(stagecraft), backoff=replace(PATIENT, sleep=pauses.append))
    assert len(pauses) == 4


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN_JSON,
        Answer(204),
        *map(
            Answer.json,
            [
                [],
                {},
                {**COLLECTOR, "entry_point": 7},
                {**COLLECTOR, "data_set": None},
                {**COLLECTOR, "data_set": {"data_group": "g"}},
                {**COLLECTOR, "query": None},
                {**COLLECTOR, "options": []},
            ],
        ),
    ],
)
def test_an_answer_that_is_no_collector_is_refused(stagecraft: StagecraftSimulator, answer: Answer) -> None:
    stagecraft.fail(answer)
    with pytest.raises(NoCollector, match=f"^collector {SLUG}: "):
        get_config(SLUG, platform(stagecraft))


@pytest.mark.parametrize("key", ["stagecraft_url", "omniscient_api_token"])
def test_a_key_that_is_missing_is_named_with_its_file(stagecraft: StagecraftSimulator, key: str) -> None:
    keys = {**platform(stagecraft), "path_to_json_file": "/etc/platform.json"}
    del keys[key]
    with pytest.raises(ConfigError, match=rf"^/etc/platform\.json: {key}: "):
        get_config(SLUG, keys)
