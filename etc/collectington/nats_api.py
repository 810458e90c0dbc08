"""A NATS server's monitoring port as Prometheus metrics: an example of a class for cton.

What the server answers: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring (checked 2026-11-28).
"""

from pathlib import Path

from collectington.collectington_api import (
    CollectingtonApi,
    enable_delta_metric,
    register_metric,
    register_metric_class,
)
from collectington.config import get_config


@register_metric_class
class NatsApi(CollectingtonApi):
    """The service `nats` of the config.json beside this file."""

    def __init__(self):
        super().__init__()
        self.service_name = "nats"
        self.config = get_config(Path(__file__).with_name("config.json"))
        self.base_url = self.config["services"][self.service_name]["api_url"]
        self.data_store_expiration_sec = 5

    def ask(self, path):
        """Return what the server says at a path: once a poll, however many metrics are made of it."""
        self.api_url = f"{self.base_url}{path}"
        return self.get_data_from_store(path)

    @register_metric("nats_messages_received_total")
    @enable_delta_metric
    def count_messages_received(self):
        """Return how many messages clients have sent."""
        return self.ask("/varz")["in_msgs"]

    @register_metric("nats_messages_sent_total")
    @enable_delta_metric
    def count_messages_sent(self):
        """Return how many messages clients were given."""
        return self.ask("/varz")["out_msgs"]

    @register_metric("nats_slow_consumers_total")
    @enable_delta_metric
    def count_slow_consumers(self):
        """Return how often a client was too slow for its messages."""
        return self.ask("/varz")["slow_consumers"]

    @register_metric("nats_connections")
    def count_connections(self):
        """Return how many clients are connected."""
        return self.ask("/varz")["connections"]

    @register_metric("nats_memory_bytes")
    def measure_memory(self):
        """Return what the server takes of memory, in bytes."""
        return self.ask("/varz")["mem"]

    @register_metric("nats_account_connections")
    def count_connections_of_accounts(self):
        """Return how many clients of each account are connected."""
        accounts = self.ask("/accstatz?unused=1")["account_statz"]
        return [{"account": account["acc"], "connections": account["conns"]} for account in accounts]
