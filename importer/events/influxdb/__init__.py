"""Events in InfluxDB: `sink` writes them to a `server`, `query` finds them again.

A `batch` becomes rows of `lines`, whose fields keep to the `types` that the store knows; `answer` and `flux` read what
it says to a question.
"""
