"""Old import path of dates and periods."""

from importer.collector.periods import (
    a_day_ago,
    a_month_ago,
    a_week_ago,
    an_hour_ago,
    generate_date_range,
    period_range,
    start_of_month,
    start_of_week,
    to_date,
    to_datetime,
    to_utc,
)

__all__ = [
    "a_day_ago",
    "a_month_ago",
    "a_week_ago",
    "an_hour_ago",
    "generate_date_range",
    "period_range",
    "start_of_month",
    "start_of_week",
    "to_date",
    "to_datetime",
    "to_utc",
]
