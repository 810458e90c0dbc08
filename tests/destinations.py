"""The keys that a destination of each protocol cannot do without."""

NEEDED_KEYS: dict[str, dict[str, object]] = {
    "plain": {"host": "127.0.0.1", "port": 2003},
    "pickle": {"host": "127.0.0.1", "port": 2004},
    "dummy": {},
    "sqlite": {},
    "influxdb": {"url": "http://127.0.0.1:8086", "database": "metrics"},
    "prometheus": {"port": 9100},
    "kafka": {"brokers": "127.0.0.1:9092", "topic": "metrics"},
    "hosted_graphite": {"push_url": "tcp://127.0.0.1:2003"},
    "file": {"path": "metrics.jsonl"},
}
