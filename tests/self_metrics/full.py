"""Figures of which nothing is left out."""

from importer.outbox_view import Details, LaneState, Run, Totals
from importer.self_metrics.figures import Command, Figures

NOW = 1_462_147_200.0
LANE = "plain://127.0.0.1:2003"
FULL = Figures(
    Command("apteligent-importer", "livestats"),
    last_run=Run(NOW - 30, NOW - 20, 1, 270, NOW - 90, "not obtained", Details(count=4, failed=1, busy_seconds=6.0)),
    last_success=NOW - 3600,
    rate_limit_remaining=7,
    totals=Totals(12, 3, 810, 36.0, {"200": 40, "none": 2}, NOW - 90, {"liveStats": NOW - 90}, {LANE: 1000}),
    lanes=[LaneState(LANE, "graphite", 2, 20, 900, NOW - 60, "connection refused")],
    rejects={LANE: 5},
)
