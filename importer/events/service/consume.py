"""`stats-service consume`: from a topic that stats-services fill to the InfluxDB of the same configuration file."""

from contextlib import closing
from functools import partial

from importer.delivery import Delivery
from importer.errors import ConfigError, ExitCode, Problem
from importer.events.kafka.consumer import Consumer
from importer.events.service.exclusive import exclusive
from importer.events.settings.settings import Settings, influxdb_sink_of
from importer.outbox import Lane, Outbox
from importer.service import Notifier, Signals

OUTBOX = "stats-service-consume.outbox"


def consume(settings: Settings) -> ExitCode:
    """Bring events from Kafka to InfluxDB until SIGTERM or SIGINT. Raises ImporterError.

    What InfluxDB can never take is set aside in an outbox; what a person queues again there is delivered too. Several
    may share the outbox if they write to the same place.
    """
    if settings.kafka is None:
        raise ConfigError(Problem(settings.path, "names no Kafka: [app:main] needs kafka.brokers and kafka.topic"))
    sink, for_retried = influxdb_sink_of(settings), influxdb_sink_of(settings)
    notifier = Notifier()
    path = settings.state_dir / OUTBOX
    with Signals() as signals, exclusive(path, lane=sink.lane), closing(sink), Outbox(path) as outbox:
        outbox.configure([Lane(sink.lane, sink.family, settings.outbox_max_bytes)])
        retried = Delivery(
            outbox,
            [for_retried],
            stop=signals.stop,
            retries_refused=True,
            backoff_limit_seconds=settings.retry_max_seconds,
        )

        def progress() -> None:
            notifier.beat()
            retried.flush()

        consumer = Consumer(
            settings.kafka,
            sink,
            set_aside=partial(outbox.set_aside, sink.lane),
            progress=progress,
            backoff_limit_seconds=settings.retry_max_seconds,
        )
        with retried:
            notifier.ready()
            consumer.run(signals.stop)
            notifier.stopping()
    return ExitCode.OK
