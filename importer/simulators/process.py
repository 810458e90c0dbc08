"""How a simulator runs as a process of its own, for benchmarks and for tests that kill things."""

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager


def build_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for what all simulators take: `--host` and `--port`, 127.0.0.1 and a free one."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    return parser


def serve_until_signalled(server: AbstractContextManager[object], describe: Callable[[], str]) -> None:
    """Run a simulator as a process: start it, print one line about it, stop it at SIGTERM or SIGINT."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads start, which inherit it
    with server:
        sys.stdout.write(describe() + "\n")
        sys.stdout.flush()
        signal.sigwait(signals)
