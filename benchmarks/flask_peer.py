"""The service as most would write it: Flask, a row an event, a sync an answer. Started by gunicorn.

It does less than ours: no look-up by id, no outbox, no times that are all different.
"""

import os
import threading
import time
import uuid

from flask import Flask, Response, jsonify, request

from importer.credentials import Secret
from importer.events.tokens.token import AccessTokenInvalid, verify_token

app = Flask(__name__)
token, secret = os.environ["PEER_TOKEN"], Secret(os.environ["PEER_SECRET"])
log = open(os.environ["PEER_FILE"], "ab", buffering=0)  # noqa: SIM115, PTH123 - for the process's life
lock = threading.Lock()


@app.post("/log/event")
def accept() -> Response:
    """Keep an event."""
    given = request.headers.get("Authorization", "").removeprefix("Token ")
    if given != token:
        raise AccessTokenInvalid("unknown")
    verify_token(given, secret, now=time.time())
    event = request.get_json(force=True)
    event.setdefault("event_id", f"entry_{uuid.uuid4().hex}")
    event.setdefault("now", time.time())
    with lock:
        log.write(app.json.dumps(event).encode() + b"\n")
        os.fdatasync(log.fileno())
    return jsonify(event["event_id"])
