"""Old names and new ones."""

import pytest

from importer.errors import SourceError
from importer.sources.google.names import Names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ga:users", "totalUsers"),
        ("visitors", "totalUsers"),
        ("visits", "sessions"),
        ("pageviews", "screenPageViews"),
        ("newUsers", "newUsers"),
        ("avgSessionDuration", "averageSessionDuration"),
        ("visitBounceRate", "bounceRate"),
        ("hits", "eventCount"),
        ("totalEvents", "eventCount"),
        ("rt:activeUsers", "activeUsers"),
        ("ga:activeVisitors", "activeUsers"),
        ("userType", "newVsReturning"),
        ("landingPagePath", "landingPage"),
        ("sourceMedium", "sessionSourceMedium"),
        ("campaign", "sessionCampaignName"),
        ("searchKeyword", "searchTerm"),
        ("pagePath", "pagePath"),
        ("day", "day"),
        ("customEvent:organisation", "customEvent:organisation"),
        ("engagementRate", "engagementRate"),
    ],
)
def test_a_name_is_translated_or_passes(old: str, new: str) -> None:
    assert Names().translate(old) == new


@pytest.mark.parametrize(
    "name",
    [
        *("goal1Completions", "goalCompletionsAll", "ga:uniquePageviews", "entrances", "uniqueEvents", "keyword"),
        *("percentNewSessions", "avgTimeOnPage", "searchUniques", "browserVersion", "socialNetwork", "eventCategory"),
        *("eventAction", "eventLabel", "customVarValue9", "ga:dimension9"),
    ],
)
def test_what_has_no_equivalent_is_named_unless_it_is_mapped(name: str) -> None:
    with pytest.raises(SourceError, match=f"{name}: has no equivalent"):
        Names().translate(name)
    assert Names({name.removeprefix("ga:"): "customEvent:x"}).translate(name) == "customEvent:x"
    assert Names({f"ga:{name.removeprefix('ga:')}": "customEvent:x"}).translate(name) == "customEvent:x"
