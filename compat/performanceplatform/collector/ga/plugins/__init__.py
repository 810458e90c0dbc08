"""Old import path of the plug-ins; classes that are put here can be named by queries, and users add modules."""

from pkgutil import extend_path

from importer.collector.aggregation import aggregate_count, aggregate_rate, group, make_aggregate
from importer.collector.department import take_first_department_code, try_get_department
from importer.collector.plugins import (
    AggregateKey,
    Comment,
    ComputeDepartmentKey,
    ComputeIdFrom,
    ComputeRank,
    RemoveKey,
    SetDepartment,
    load_plugin,
    load_plugins,
)

__path__ = extend_path(__path__, __name__)

__all__ = [
    "AggregateKey",
    "Comment",
    "ComputeDepartmentKey",
    "ComputeIdFrom",
    "ComputeRank",
    "RemoveKey",
    "SetDepartment",
    "aggregate_count",
    "aggregate_rate",
    "group",
    "load_plugin",
    "load_plugins",
    "make_aggregate",
    "take_first_department_code",
    "try_get_department",
]
