"""The names of Universal Analytics and what GA4 calls them.

Checked on 2026-11-28 against
https://developers.google.com/analytics/devguides/migration/api/reporting-ua-to-ga4-dims-mets
"""

import re
from collections.abc import Mapping

from importer.errors import SourceError

SOURCE = "Google Analytics"
"""What stands before each message."""

METRICS = {
    "users": "totalUsers",
    "visitors": "totalUsers",
    "sessions": "sessions",
    "visits": "sessions",
    "pageviews": "screenPageViews",
    "newUsers": "newUsers",
    "avgSessionDuration": "averageSessionDuration",
    "visitBounceRate": "bounceRate",
    "bounceRate": "bounceRate",
    "totalEvents": "eventCount",
    "hits": "eventCount",
    "activeVisitors": "activeUsers",
    "activeUsers": "activeUsers",
}
DIMENSIONS = {
    "userType": "newVsReturning",
    "visitorType": "newVsReturning",
    "landingPagePath": "landingPage",
    "source": "sessionSource",
    "medium": "sessionMedium",
    "sourceMedium": "sessionSourceMedium",
    "campaign": "sessionCampaignName",
    "searchKeyword": "searchTerm",
}
PERCENT = "bounceRate"
"""GA4 gives it as a fraction under the old name: it is delivered, and compared in filters, in percent."""

_NO_EQUIVALENT = re.compile(
    r"goal[A-Z0-9]\w*|uniquePageviews|entrances|uniqueEvents|percentNewSessions|avgTimeOnPage|searchUniques"
    r"|browserVersion|keyword|socialNetwork|event(Category|Action|Label)|customVar(Name|Value)\d+|(dimension|metric)\d+"
)
_EXAMPLE = '{"goal1Completions": "keyEvents:booked", "dimension9": "customEvent:organisation"}'
_METRIC_NAMES = {*METRICS, *METRICS.values()}


def bare(name: str) -> str:
    """Return a name without the prefix of its API.

    >>> bare("ga:sessions"), bare("rt:activeUsers"), bare("customEvent:organisation")
    ('sessions', 'activeUsers', 'customEvent:organisation')
    """
    return name.removeprefix("ga:").removeprefix("rt:")


class Names:
    """Translates the names of a query to GA4's."""

    def __init__(self, *overrides: Mapping[str, str]) -> None:
        """Each of `overrides` maps old names, with or without `ga:`, to GA4 names; a later one wins."""
        self._own = {bare(name): target for mapping in overrides for name, target in mapping.items()}

    def translate(self, name: str) -> str:
        """Return what GA4 calls it; a GA4 name passes unchanged. Raises SourceError where there is no equivalent."""
        plain = bare(name)
        if plain in self._own:
            return self._own[plain]
        if plain in METRICS or plain in DIMENSIONS:
            return METRICS.get(plain) or DIMENSIONS[plain]
        if _NO_EQUIVALENT.fullmatch(plain):
            example = '{"goal1Completions": "keyEvents:booked", "dimension9": "customEvent:organisation"}'
            reason = (
                f"{name}: has no equivalent in GA4; map it by names in the query or the credentials, as in {example}"
            )
            raise SourceError(SOURCE, reason)
        return plain

    def is_metric(self, name: str) -> bool:
        """Return whether a name is known to be a metric's."""
        return bare(name) in _METRIC_NAMES or self._own.get(bare(name), "").startswith("keyEvents")
