"""Frames between the server and a worker. The C# side is Sluice.Backends.Python/Wire.

A frame is a head (length with the head, kind) and a body, little-endian. A tensor is described by TENSOR, its dimensions
(int64 each) and, where names are used, its name; its bytes stand where `place` says.
"""

import struct

HEAD = struct.Struct("<IBxxx")
TENSOR = struct.Struct("<BBBxIQQ")  # data type, rank, place, index or length of the name, offset, byte length
EXECUTE = struct.Struct("<IIQQ")  # execution, requests, block offset or NO_BLOCK, block bytes
REQUEST = struct.Struct("<QqIIIHHHxx")  # correlation, timeout us, flags, cancel slot, parameter bytes, id, sequence, inputs
REPLY = struct.Struct("<III")  # execution, answers, flags
ANSWER = struct.Struct("<BBHI")  # status, error code, outputs, bytes of parameters or of the error's text
INFER = struct.Struct("<IqQqIIHHBxxx")  # call, version, correlation, timeout us, flags, parameter bytes, inputs, requested, decoupled
INFERRED = struct.Struct("<IBBBxHxxIQ")  # call, status, error code, final, outputs, bytes of parameters or error, block
CALL = struct.Struct("<IIIHBBQQ")  # call, cancel slot, deadline ms, depth, body kind, wants statistics, offset or NO_BLOCK, length
CALLED = struct.Struct("<IBxHHIIIQQ")  # call, outcome, status or 0, content type, statistics, detail, traceback, offset or NO_BLOCK, length
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
PAIR = struct.Struct("<II")

NO_BLOCK = 0xFFFFFFFFFFFFFFFF
MAX_FRAME = 64 << 20

# Where a tensor's bytes are: memory that the worker allocates, memory that the server allocates, the frame itself.
OURS, THEIRS, INLINE = 0, 1, 2
INLINE_LIMIT = 16 * 1024

# From the server.
LOAD, EXECUTION, FREE, STOP, PING, ENDPOINT_CALL, INITIALIZE = 1, 2, 3, 4, 5, 6, 7
# Of an execution under way: nobody waits for a request's answers any more; its code is to end.
FORGET, CANCEL = 8, 9
# To the server.
LOADED, REPLIED, RESPONSE, RELEASE, PONG, ENDPOINT_REPLY, STOPPED, INITIALIZED = 65, 66, 67, 68, 69, 70, 71, 72
# The execution of that number goes on by itself, REPLIED comes later; the server may send the next one.
NEXT = 73
# Calls into the server, with their answers under the same number.
INFER_CALL, CANCEL_CALL, METRIC_CALL, MODEL_CALL, SEND_CALL, LOG_CALL, FLUSH_CALL = 1, 2, 3, 4, 5, 6, 7

NONE, RESPONDED, FAILED, RESCHEDULED = 0, 1, 2, 3
LEAVING = 2


class Reader:
    """Cuts what a socket receives into frames."""

    def __init__(self, sock):
        self._sock = sock
        self._rest = b""

    def read(self, flags=0):
        """Waits for data and returns the whole frames in it as (kind, bytes with the head); None at the end."""
        data = self._sock.recv(1 << 18, flags)
        if not data:
            return None
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if len(data) >= 8:
            length, kind = HEAD.unpack_from(data)
            if length == len(data):
                return ((kind, data),)
        frames = []
        at = 0
        while len(data) - at >= 8:
            length, kind = HEAD.unpack_from(data, at)
            if not 8 <= length <= MAX_FRAME:
                raise ConnectionError("a frame of %d bytes" % length)
            if length > len(data) - at:
                if length > 1 << 18:
                    return self._read_large(frames, data[at:], length, kind)
                break
            frames.append((kind, data[at:at + length]))
            at += length
        self._rest = data[at:]
        return frames

    def _read_large(self, frames, start, length, kind):
        frame = bytearray(length)
        frame[:len(start)] = start
        view = memoryview(frame)[len(start):]
        while view:
            count = self._sock.recv_into(view)
            if count == 0:
                return None
            view = view[count:]
        frames.append((kind, bytes(frame)))
        return frames


def frame(kind, *parts):
    """Joins a frame."""
    return b"".join((HEAD.pack(8 + sum(map(len, parts)), kind), *parts))
