"""Records as the JSON text that a Backdrop takes."""

import json
from datetime import UTC, date, datetime


class JsonEncoder(json.JSONEncoder):
    """JSON with datetimes as ISO text with their offset; one without a zone is in UTC."""

    def default(self, o: object) -> object:
        """Return what stands for an object that JSON does not know; raises TypeError for anything but dates."""
        if isinstance(o, datetime):
            return (o.replace(tzinfo=UTC) if o.tzinfo is None else o).isoformat()
        if isinstance(o, date):
            return o.isoformat()
        return super().default(o)


def encode_json(content: object) -> str:
    """Return content as text in the default form of `json.dumps`.

    Raises TypeError for what JSON cannot hold, and ValueError for a number that is none (NaN, infinity).

    >>> encode_json([{"_timestamp": datetime(2013, 6, 15, 22), "check": "govuk"}])
    '[{"_timestamp": "2013-06-15T22:00:00+00:00", "check": "govuk"}]'
    """
    return json.dumps(content, cls=JsonEncoder, allow_nan=False)
