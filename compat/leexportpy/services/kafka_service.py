"""Old import path of the service kafka."""

from importer.leexport.kafka import KafkaService

__all__ = ["KafkaService"]
