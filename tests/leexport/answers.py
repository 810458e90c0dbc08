"""Answers of the query API as fixtures have them, and services made from them."""

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent / "golden" / "leexport"
API_KEY = "222efc82e7933138077b1c2554439e15"


def answer(name: str) -> dict[str, Any]:
    """Return a final answer: `timeseries`, `timeseries_average`, `timeseries_empty`, `groups`, `events_next`."""
    content: dict[str, Any] = json.loads((GOLDEN / f"response_{name}.json").read_text())
    return content


def statistics_answer(**statistics: object) -> dict[str, Any]:
    """Return an answer with these members of `statistics`."""
    return {"logs": [], "statistics": statistics}
