"""gzip of a text whose first part is packed once, and kept, and whose end is another one each time."""

import struct
import zlib
from dataclasses import dataclass

_LEVEL = 5
_RAW = -zlib.MAX_WBITS
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_UINT32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Packed:
    """The beginning of a text."""

    deflated: bytes
    """Ends between two bytes, and without an end of the stream."""
    checksum: int
    size: int
    """Of the text."""


def pack(beginning: bytes) -> Packed:
    """Return a text packed, to be gone on from."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    deflated = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    return Packed(deflated, zlib.crc32(beginning), len(beginning))


def joined(beginning: Packed, end: bytes) -> bytes:
    """Return beginning and end as one member of gzip: browsers do not read a second one.

    >>> import gzip
    >>> gzip.decompress(joined(pack(b"stock 1.0"), b" and more"))
    b'stock 1.0 and more'
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    deflated = packer.compress(end) + packer.flush()
    trailer = struct.pack("<II", zlib.crc32(end, beginning.checksum), (beginning.size + len(end)) & _UINT32)
    return b"".join((_HEAD, beginning.deflated, deflated, trailer))
