# SPDX-License-Identifier: MIT
"""A reader of graph.N files as docs/trace-format.md describes them; it knows nothing of seep's own."""

import collections
import fcntl
import struct

HEADER = struct.Struct("<8sIIQIIQQQQ")
KINDS = ["end", "heap", "data", "stack", "whole stack", "registers", "tls", "alternate",
         "registered"]
WORD = 8

Region = collections.namedtuple("Region", "kind start bytes thread words")


class GraphFile:
    """`regions` in the order of the file, each with its words as a list of (address, value)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # who writes it has it locked
            self._bytes = file.read()
        (self.magic, self.version, self.number, self.stamp, self.complete, _, self.bytes,
         self.scanned_bytes, self.scan_ns, self.words) = HEADER.unpack_from(self._bytes)
        self._at = HEADER.size
        self.regions = list(self._read())
        self.behind_end = len(self._bytes) - self._at

    def _varint(self):
        value = shift = 0
        while True:
            byte = self._bytes[self._at]
            self._at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def _svarint(self):
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _read(self):
        region_end = value = 0
        while True:
            kind = self._varint()
            if kind == 0:
                return
            start = (region_end + self._svarint()) % 2 ** 64
            size, thread = self._varint(), self._varint()
            region_end = start + size
            place, words = start - WORD, []
            while True:
                step = self._varint()
                if step == 0:
                    break
                place += step * WORD
                value = (value + self._svarint()) % 2 ** 64
                words.append((place, value))
            yield Region(KINDS[kind], start, size, thread, words)

    def places(self, value):
        """Where a value is: a list of (kind of region, address, thread)."""
        return [(r.kind, place, r.thread) for r in self.regions for place, v in r.words
                if v == value]
