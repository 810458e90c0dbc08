"""Closes the network outside loopback for the code that runs inside pytest."""

import ipaddress
import socket
from typing import Any

import pytest

REAL_CONNECT = socket.socket.connect
REAL_CONNECT_EX = socket.socket.connect_ex
REAL_SENDTO = socket.socket.sendto
REAL_GETADDRINFO = socket.getaddrinfo


class OutsideLoopback(Exception):
    """A test wanted to talk to another machine. No OSError, or the code under test would take it for an outage."""

    def __init__(self, target: object) -> None:
        super().__init__(f"tests do not leave this machine, and this one wanted {target!r}")


def is_loopback(host: object) -> bool:
    """Return whether a host, as the socket functions take it, is this machine over loopback."""
    if host in {None, "", b"", "localhost", b"localhost"}:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def check_address(sock: socket.socket, address: Any) -> None:
    """Raise OutsideLoopback for an internet address that is not loopback."""
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(address[0]):
        raise OutsideLoopback(address)


def connect(sock: socket.socket, address: Any) -> None:
    """Stand in for socket.connect."""
    check_address(sock, address)
    REAL_CONNECT(sock, address)


def connect_ex(sock: socket.socket, address: Any) -> int:
    """Stand in for socket.connect_ex."""
    check_address(sock, address)
    return REAL_CONNECT_EX(sock, address)


def sendto(sock: socket.socket, data: Any, *arguments: Any) -> int:
    """Stand in for socket.sendto, whose address comes last."""
    check_address(sock, arguments[-1])
    return REAL_SENDTO(sock, data, *arguments)


def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
    """Stand in for getaddrinfo: asks no name server.

    Names under .invalid never exist (RFC 6761), so a test of a host that is not found may use one.
    """
    if isinstance(host, str) and host.rstrip(".").endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if not is_loopback(host):
        raise OutsideLoopback(host)
    return REAL_GETADDRINFO(host, port, *arguments, **options)


def close_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the guards in place until the patch is undone."""
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    monkeypatch.setattr(socket.socket, "sendto", sendto)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
