"""What users' methods and classes are marked with: the metrics that they give, and running totals that become steps."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from importer.exporter.user_class.delta import steps
from importer.exporter.user_class.state import labels_of, state_of

Method = TypeVar("Method", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)


def register_metric(*names: str) -> Callable[[Method], Method]:
    """Mark a method as the one that gives the values of these metrics; each asks it for itself."""

    def mark(method: Method) -> Method:
        method._property = names  # type: ignore[attr-defined]
        return method

    return mark


def register_metric_class(cls: Class) -> Class:
    """Give a class the table of its metrics, from the marks of its methods and of those that it inherits."""
    metrics: dict[str, str] = {}
    deltas: dict[str, int] = {}
    for attribute in dir(cls):
        names = getattr(getattr(cls, attribute, None), "_property", None)
        if isinstance(names, tuple):
            metrics |= dict.fromkeys(names, attribute)
            deltas[f"previous_{attribute}"] = 0
    cls._metric_registry = metrics  # type: ignore[attr-defined]
    cls._delta_metric_registry = deltas  # type: ignore[attr-defined]
    return cls


def enable_delta_metric(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that gives a running total give what this has grown by since the last time.

    A total that has fallen has begun anew, and is the step. Labelled entries are compared by their labels.
    None, and what the method raises, leaves the memory as it was.
    """

    @wraps(method)
    def step(self: object, *arguments: Any, **keywords: Any) -> Any:
        value = method(self, *arguments, **keywords)
        if value is None:
            return None
        names: tuple[str, ...] = getattr(step, "_property", ())
        state = state_of(self)
        metric = state.metric if state.metric in names else next(iter(names), "")
        # one memory for each metric of a method: each is asked for by itself, and wants all of the total
        key = f"previous_{method.__name__}" + (f" {metric}" if names[1:] else "")
        if isinstance(value, list | tuple):
            return steps(state.deltas, key, value, labels_of(self, metric))
        return state.deltas.step(key, value)

    return step
