"""A point as it is sent, and pickles framed as carbon's clients do."""

import pickle
import struct

from importer.simulators.graphite_wire import ReceivedPoint

LINE = b"shop.dau 48213 1462147200.000\n"
POINT = ReceivedPoint("shop.dau", 1462147200.0, 48213.0)


def frame(items: object, *, protocol: int = 2) -> bytes:
    body = pickle.dumps(items, protocol)
    return struct.pack(">I", len(body)) + body
