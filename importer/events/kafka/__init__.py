"""Events through Kafka: `sink` fills a topic; `consumer`, a member of a `group`, empties it into another sink.

A `subscription` says which topic and how; what is read of it at a time is a `batch`.
"""
