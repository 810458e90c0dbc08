"""Old import path of the entrypoint for Pingdom. What it does lives in `importer.collector.pingdom_entrypoint`."""

from importer.collector.pingdom_entrypoint import (
    convert_from_pingdom_to_performanceplatform,
    main,
    parse_time_range,
    push_stats_to_data_set,
    truncate_hour_fraction,
)

__all__ = [
    "convert_from_pingdom_to_performanceplatform",
    "main",
    "parse_time_range",
    "push_stats_to_data_set",
    "truncate_hour_fraction",
]
