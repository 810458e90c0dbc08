"""The running service: the processes of stats-service, what they answer, and what they keep and deliver.

`service` starts it, `supervisor` holds its processes, `worker` is one that answers by `app`, `keeper` the one that
delivers; `consume` is the other way to run, from Kafka to InfluxDB. Whatever else there is of events lies below.
"""
