"""One poll of a user's class: every metric asked for its value, and all of them handed over, as `runner` always did."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from importer.errors import Stopped
from importer.exporter.base import Outcome
from importer.exporter.user_class.api import CollectingtonApi
from importer.exporter.user_class.state import ApiState, Poll, state_of
from importer.exporter.user_error import USER_EXCEPTIONS, told

logger = logging.getLogger(__name__)

Service = Any
"""An instance of a user's class: mostly a CollectingtonApi, but whatever has its methods will do."""


def polled(service: Service, metrics: Sequence[str], instances: Sequence[Any]) -> Outcome:
    """Ask for the metrics in their order, fill the instances, and return what went wrong. Raises Stopped."""
    state = state_of(service)
    with state.polling() as poll:
        values = {metric: _value(service, state, poll, metric) for metric in metrics}
        _hand_over(service, state, values, instances)
        return poll.outcome()


def process_request(service: Service, metrics_list: Sequence[str], metric_instances_list: Sequence[Any]) -> None:
    """Do as `polled` does, and log what went wrong."""
    for fault in polled(service, metrics_list, metric_instances_list).faults:
        logger.error("%s%s", state_of(service).label, fault.reason)


def overrides(service: Service, method: str) -> bool:
    """Return whether a method is not the one of CollectingtonApi."""
    return getattr(getattr(service, method), "__func__", None) is not getattr(CollectingtonApi, method)


def sample_values(instance: Any) -> Mapping[object, float]:
    """Return what a metric shows, but for when it was made; nothing of what is no metric, or cannot be asked."""
    collect = getattr(instance, "collect", None)
    try:
        return {
            (sample.name, tuple(sample.labels.items())): sample.value
            for family in (collect() if collect else ())
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
    except USER_EXCEPTIONS as error:
        logger.debug("a metric of the user's cannot be asked: %s", told(error))
        return {}


def _value(service: Service, state: ApiState, poll: Poll, metric: str) -> object:
    if state.fetcher.stop.is_set():
        raise Stopped("stopped in the middle of a poll")
    try:
        with state.asking_for(metric):
            value: object = service.get_metric(metric)
    except Stopped:
        raise
    except USER_EXCEPTIONS as error:
        state.fail(metric, error)
        return None
    return value


def _hand_over(service: Service, state: ApiState, values: Mapping[str, object], instances: Sequence[Any]) -> None:
    """Call `call_prometheus_metrics`; where that is the user's own, look at the metrics to see what it has done."""
    is_theirs = overrides(service, "call_prometheus_metrics")
    before = [sample_values(instance) for instance in instances] if is_theirs else []
    is_whole = False
    try:
        service.call_prometheus_metrics(values, instances)
        is_whole = True
    except Stopped:
        raise
    except USER_EXCEPTIONS as error:
        _fail_all(state, error, keep=_changed(state, values, instances, before))
    if is_theirs:
        for instance in instances:
            if is_whole and values.get(state.name_of(instance, values)) is not None:
                state.has_value.add(id(instance))


def _changed(
    state: ApiState, values: Mapping[str, object], instances: Sequence[Any], before: Sequence[Mapping[object, float]]
) -> set[str]:
    """Return the metrics that show something else than before."""
    pairs = zip(instances, before, strict=False)  # nothing was noted where the method is ours
    return {state.name_of(instance, values) for instance, former in pairs if sample_values(instance) != former}


def _fail_all(state: ApiState, error: BaseException, *, keep: set[str]) -> None:
    """Note an error that is none of a single metric; values that did not arrive come again with the next poll."""
    for metric in keep:
        state.deltas.settle_metric(metric)
    state.deltas.take_back_all()
    state.fail("", error)
