"""Apache Kafka itself, one process that is broker and controller; see kafka_jars for where it comes from."""

import subprocess
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from tests.servers.kafka import READ_SECONDS, Received, read_topic
from tests.servers.kafka_jars import JARS
from tests.servers.process import START_SECONDS, Server

CLUSTER_ID = "bWV0cmljcy1pbXBvcnRlcg"
PASSWORD = "correct horse"

CONFIG = """\
process.roles=broker,controller
node.id=1
log.dirs={directory}/data
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=CONTROLLER://{host}:{controller_port},PLAINTEXT://{host}:{plain_port},SASL_PLAINTEXT://{host}:{sasl_port}
advertised.listeners=PLAINTEXT://{host}:{plain_port},SASL_PLAINTEXT://{host}:{sasl_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={login} user_writer="{password}" user_stranger="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:writer
auto.create.topics.enable=false
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
"""
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class KafkaBroker(Server):
    """A broker that makes no topics by itself, with a port for everybody, and one for the users writer and stranger.

    Both have PASSWORD; what anybody but a stranger does is allowed.
    """

    program = "java"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.plain_port = self.claim_port()
        self.sasl_port = self.claim_port()
        self.controller_port = self.claim_port()

    @property
    def brokers(self) -> str:
        """Where everybody may connect to."""
        return f"{self.host}:{self.plain_port}"

    @property
    def sasl_brokers(self) -> str:
        """Where one has to log in."""
        return f"{self.host}:{self.sasl_port}"

    def command(self) -> list[str]:
        """Return the words that start the broker; writes its configuration, and formats an empty data directory."""
        config = self.directory / "server.properties"
        config.write_text(CONFIG.format(**vars(self), login=LOGIN, password=PASSWORD))
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*"]
        if not (self.directory / "data").exists():
            tool = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(config)]
            subprocess.run(tool, check=True, capture_output=True, timeout=START_SECONDS)
        return [*java, "kafka.Kafka", str(config)]

    def create_topic(self, topic: str, *, partitions: int = 1, max_message_bytes: int = 1_048_588) -> None:
        """Make a topic."""
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 2})
        wanted = NewTopic(topic, partitions, 1, config={"max.message.bytes": str(max_message_bytes)})
        admin.create_topics([wanted])[topic].result(READ_SECONDS)

    def read(self, topic: str) -> list[Received]:
        """Return all messages of a topic, those of each partition in their order."""
        return read_topic(self.brokers, topic)
