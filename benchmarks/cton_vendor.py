"""A vendor for cton's benchmark, in a process of its own: answers each path with figures that change."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def main(metrics: int) -> None:
    """Print the address, and answer until the process is ended."""
    lock = threading.Lock()
    answered = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            nonlocal answered
            if self.path == "/count":
                self.answer({"count": answered})
                return
            with lock:
                answered += 1
                number = answered
            self.answer({"figures": {f"m{place}": place + number * 1.37 for place in range(metrics)}})

        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 500

        def handle_error(self, request: object, client_address: object) -> None:
            """Keep quiet: who measures ends what asks in the middle of it."""

    with Server(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
