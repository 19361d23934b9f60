# SPDX-License-Identifier: MIT
"""Holds the recording of a soak.cpp against the log it kept: event by event in each thread, and for
each end of a block, which call had made it. Nothing may be invented, nothing lost."""

import collections
import re
import struct
import subprocess

# enum operation in soak.cpp: (operation in the trace, call), from 1
OPERATIONS = [None] + [
    ("alloc", call) for call in ("malloc", "calloc", "posix_memalign", "aligned_alloc", "memalign",
                                 "new", "new[]", "realloc")] + [
    ("realloc", "realloc"), ("realloc", "reallocarray"),
    ("free", "free"), ("free", "delete"), ("free", "delete[]")]
OTHERS = len(OPERATIONS)
INHERITED = "made before the fork"

STREAMS = 400
STREAM = struct.Struct("4I")
ENTRY = struct.Struct("2Q4I")

EVENT = re.compile(
    r'"number":(\d+),"time_ns":\d+,"thread":(\d+),"op":"(alloc|free|realloc|realloc-out|realloc-in)"'
    r',"slot":\d+(?:,"address":"(\w+)")?(?:,"size":(\d+))?.*?(?:"old_address":"(\w+)".*?)?'
    r'"call":"([^"]+)"(?:.*?"(inherited|implied)":true)?')
START = re.compile(r'"op":"thread-start","about":(\d+),"tid":(\d+)')


class Wrong(Exception):
    """What the recording says is not what happened."""


class Stream:
    """The log of one thread, or of the handlers in it."""

    def __init__(self, number, entries):
        self.number = number
        self.entries = entries
        self.at = 0
        self.others = False  # libc or the loader may do something here
        self.unwritten = 0  # events after the log's end, of a process that was killed

    def next(self):
        """The entry that is due, or None at the end."""
        while self.at < len(self.entries) and self.entries[self.at][2] == OTHERS:
            self.others = True
            self.at += 1
        return self.entries[self.at] if self.at < len(self.entries) else None

    def pass_next(self):
        """Returns the identity of what the entry made."""
        made = (self.number, self.at)
        self.at += 1
        self.others = False
        return made


def read_log(path):
    """{pid: [(tid, Stream, Stream of its handlers)]} in the order in which the threads began."""
    with open(path, "rb") as file:
        count, capacity = struct.unpack("2I", file.read(8))
        heads = [STREAM.unpack(file.read(STREAM.size)) for _ in range(STREAMS)][:count]
        start = 8 + STREAMS * STREAM.size
        own, handlers = collections.defaultdict(list), collections.defaultdict(list)
        for number, (pid, tid, handler, entries) in enumerate(heads):
            file.seek(start + number * capacity * ENTRY.size)
            entries = list(ENTRY.iter_unpack(file.read(entries * ENTRY.size)))
            (handlers if handler else own)[pid, tid].append(Stream(number, entries))
    processes = collections.defaultdict(list)
    for (pid, tid), streams in own.items():
        beside = handlers[pid, tid]
        for i, stream in enumerate(streams):
            processes[pid].append((tid, stream, beside[i] if i < len(beside) else Stream(-1, [])))
    return processes


def match(event, stream, live):
    """Whether the event is the one that the stream's log has next."""
    due = stream.next()
    if due is None:
        return False
    number, _, operation, address, size, old, call = event
    what = OPERATIONS[due[2]]
    if (operation, call) != what or address != due[0] or (operation != "free" and size != due[1]):
        return False
    if operation != "alloc":
        ended = live.get(address if operation == "free" else old)
        if ended != (due[3], due[4]):
            raise Wrong(f"event {number} ends the block that {ended} made, not "
                        f"{(due[3], due[4])}: {event}")
    return True


def events(dump):
    """In order: what the trace notes of an event, "inherited", "implied" or None, and its number,
    thread, operation, address, size, old address and call."""
    for found in EVENT.finditer(dump):
        number, thread, operation, address, size, old, call, note = found.groups()
        yield note, (int(number), int(thread), operation, address and int(address, 16),
                     int(size or 0), old and int(old, 16), call)


def check(seep, trace, threads, killed):
    """Raises Wrong at the first difference; returns how many events were as logged. `threads` is the
    process's of read_log()."""
    dump = subprocess.run([seep, "dump", "--format=json", trace], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=True).stdout
    waiting = collections.defaultdict(collections.deque)
    for tid, stream, handler in threads:
        waiting[tid].append((stream, handler))
    of_thread = {}
    for about, tid in sorted((int(a), int(t)) for a, t in START.findall(dump)):
        if waiting[tid]:
            of_thread[about] = waiting[tid].popleft()
    live, in_flight, passed = {}, {}, 0
    for note, event in events(dump):
        number, thread, operation, address, size, old, call = event
        if note == "inherited" and thread == 0:
            live[address] = INHERITED
            continue
        # A reallocation that another thread of the parent was in at the fork had given the block
        # up already, and it is not known to have.
        if note == "implied" and operation == "free" and live.get(address) is INHERITED:
            del live[address]
            continue
        streams = of_thread.get(thread)
        if streams is None:
            raise Wrong(f"event {number} in thread {thread}, which the program does not know")
        if operation == "realloc-out":
            in_flight[thread] = live.pop(address if old is None else old, None)
            continue
        if operation == "realloc-in":
            live["in flight"] = in_flight.pop(thread)
            event = (number, thread, "realloc", address, size, "in flight", call)
            operation, old = "realloc", "in flight"
        for stream in streams:
            if match(event, stream, live):
                made = stream.pass_next()
                passed += 1
                break
        else:
            made = foreign(event, streams, killed)
        if operation != "alloc":
            live.pop(address if operation == "free" else old, None)
        if operation != "free":
            live[address] = made
    for streams in of_thread.values():
        for stream in streams:
            if stream.next() is not None:
                raise Wrong(f"lost: entry {stream.at} of {len(stream.entries)} of stream "
                            f"{stream.number}: {stream.entries[stream.at]}")
    if any(waiting.values()):
        raise Wrong("a thread is missing")
    return passed


def foreign(event, streams, killed):
    """An event that is not in the log; returns None where that may be."""
    if streams[0].others:
        return None
    for stream in streams:
        if killed and stream.next() is None and stream.unwritten == 0:
            stream.unwritten += 1
            return None
    raise Wrong(f"event {event} is not what happened; due: "
                f"{[(s.number, s.at, s.next()) for s in streams]}")
