"""NATS, with its monitoring port."""

import socket
from pathlib import Path

from tests.servers.process import Server


class Nats(Server):
    """nats-server that anybody on loopback may connect to."""

    program = "nats-server"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        super().__init__(directory, host=host)
        self.port = self.claim_port()
        self.monitoring_port = self.claim_port()

    @property
    def url(self) -> str:
        """The address of the monitoring port."""
        return f"http://{self.host}:{self.monitoring_port}"

    def command(self) -> list[str]:
        """Return the words that start nats-server."""
        listen = ("--addr", self.host, "--port", str(self.port))
        monitoring = ("--http_port", str(self.monitoring_port))
        return [self.program, *listen, *monitoring, "--pid", str(self.directory / "nats.pid")]

    def publish(self, subject: str, messages: int) -> None:
        """Publish messages as a client does that asks whether they have come.

        https://docs.nats.io/reference/reference-protocols/nats-protocol (checked 2026-11-28)
        """
        with socket.create_connection((self.host, self.port), timeout=10) as connection:
            told = connection.makefile("rb")
            told.readline()  # INFO
            connection.sendall(b'CONNECT {"verbose":false}\r\n' + f"PUB {subject} 2\r\nhi\r\n".encode() * messages)
            connection.sendall(b"PING\r\n")
            assert told.readline() == b"PONG\r\n"
