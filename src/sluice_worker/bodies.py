"""Bodies of calls of endpoints, and what is sent back."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid

from . import wire

EMPTY, JSON_OBJECT, BYTES = range(3)
LARGE = 64 * 1024


class Call:
    """One call under way."""

    __slots__ = ("number", "slot", "depth", "kind", "wants_statistics", "content", "statistics")

    def body(self):
        if self.kind == JSON_OBJECT:
            return json.loads(self.content)
        return None if self.kind == EMPTY else bytes(self.content)

    def collector(self):
        """The function for statistics of the code's own; None when nobody wants any."""
        return self.statistics.update if self.wants_statistics else None


def read_call(worker, data):
    call = Call()
    call.number, call.slot, _, call.depth, call.kind, call.wants_statistics, offset, length = wire.CALL.unpack_from(data, 8)
    call.statistics = {}
    if offset == wire.NO_BLOCK:
        start = 8 + wire.CALL.size
        call.content = data[start:start + length]
    else:
        call.content = worker.theirs.bytes(offset, length)
        worker.release_theirs(offset)
    return call


def encode_request(data):
    """The body of a call to another endpoint; JSON objects and bytes can be sent."""
    if data is None:
        return EMPTY, b""
    if isinstance(data, (bytes, bytearray)):
        return BYTES, bytes(data)
    if not isinstance(data, dict):
        raise ValueError("send_request takes a dict or bytes, not %s" % type(data).__name__)
    return JSON_OBJECT, json.dumps(data, default=encode).encode("utf-8")


def decode_answer(frame):
    if frame[12] != 0:
        return None
    try:
        return json.loads(frame[13:])
    except ValueError:
        return None


def encode(value):
    """What a JSON answer may hold besides JSON's own."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "dict") and callable(value.dict):
        return value.dict()
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def encode_statistics(statistics):
    """One JSON object; what JSON cannot hold becomes null, which is counted where it is read."""
    members = []
    for name, value in statistics.items():
        try:
            text = json.dumps(value, default=plain, allow_nan=False)
        except (TypeError, ValueError):
            text = "null"
        members.append(json.dumps(str(name)) + ":" + text)
    return ("{" + ",".join(members) + "}").encode("utf-8")


def plain(value):
    """Numbers of numpy as numbers; anything else as it prints."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def send_result(worker, call, result):
    content_type = "application/json"
    try:
        if hasattr(result, "body") and hasattr(result, "media_type"):
            content, content_type = bytes(result.body), result.media_type or content_type
        else:
            content = json.dumps(result, default=encode, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except Exception as error:
        detail = "Error [%s] processing request: the answer cannot be written as JSON: %s" % (type(error), error)
        send_reply(worker, call, 3, detail=detail)
        return
    send_reply(worker, call, 0, content, content_type)


def send_reply(worker, call, outcome, content=b"", content_type="", detail="", traceback=""):
    statistics = encode_statistics(call.statistics) if call.statistics else b""
    texts = [content_type.encode("latin-1", "replace"), statistics, detail.encode("utf-8", "replace"), traceback.encode("utf-8", "replace")]
    offset = wire.NO_BLOCK
    length = len(content)
    if length > LARGE:
        try:
            offset = worker.heap.allocate(length)
        except MemoryError as error:
            send_reply(worker, call, 3, detail="Error [%s] processing request: %s" % (type(error), error))
            return
        worker.heap.map[offset:offset + length] = content
        worker.heap.give(offset, offset)
        content = b""
    head = wire.CALLED.pack(call.number, outcome, len(texts[0]), len(texts[1]), len(texts[2]), len(texts[3]), offset, length)
    worker.send(wire.ENDPOINT_REPLY, head, *texts, content)
