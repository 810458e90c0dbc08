"""python -m benchmarks.discard: a receiver that reads and forgets, as cheaply as Python can; prints its port.

One connection at a time, without a loop around it: what is measured is the sender.
"""

import socket

BUFFER_BYTES = 2**20


def main() -> None:
    """Serve until killed."""
    buffer = bytearray(BUFFER_BYTES)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv_into(buffer):
                    pass


if __name__ == "__main__":
    main()
