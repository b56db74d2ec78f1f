"""Bodies of calls of endpoints, and what is sent back."""

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import re
import types
import uuid

from . import faults, wire

EMPTY, JSON_OBJECT, BYTES = range(3)
LARGE = 64 * 1024
IP_TYPES = (
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface, ipaddress.IPv6Interface, ipaddress.IPv4Network, ipaddress.IPv6Network)
TEXTS_OF_PYDANTIC = frozenset((
    "SecretStr", "SecretBytes", "Secret", "AnyUrl", "Url", "MultiHostUrl", "_BaseUrl", "_BaseMultiHostUrl", "Color", "NameEmail"))
LONGEST_INTEGER = 4300  # Digits that Python prints.


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
    return JSON_OBJECT, dump(data).encode("utf-8")


def decode_answer(frame):
    if frame[12] != 0:
        return None
    try:
        return json.loads(frame[13:])
    except ValueError:
        return None


def encode(value):
    """What a JSON answer may hold besides JSON's own; keys of what it returns may be of the same kinds."""
    names = pydantic_names(value)
    if names & TEXTS_OF_PYDANTIC:
        return str(value)
    if "BaseModel" in names and hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset, collections.deque, types.GeneratorType)):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, decimal.Decimal):
        is_whole = value.is_finite() and value.as_tuple().exponent >= 0
        return int(value) if is_whole and value.adjusted() < LONGEST_INTEGER else float(value)
    if isinstance(value, (uuid.UUID, pathlib.PurePath) + IP_TYPES):
        return str(value)
    if isinstance(value, re.Pattern):
        return value.pattern
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "dict") and callable(value.dict):
        return value.dict()
    is_response = hasattr(value, "media_type") and hasattr(value, "status_code")
    if is_response and not hasattr(value, "body") and not hasattr(value, "body_iterator"):
        raise TypeError("a response of class %s cannot be sent: it has neither body nor body_iterator" % type(value).__name__)
    # numpy's are refused, also those that a dict could be made of by chance.
    for fields in (dict, vars) if "numpy" not in map(package_of, type(value).__mro__) else ():
        try:
            return {key: item for key, item in dict(fields(value)).items() if not (isinstance(key, str) and key.startswith("_sa"))}
        except Exception:
            continue
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def package_of(kind):
    return str(kind.__module__).split(".")[0]


def pydantic_names(value):
    """Names of the classes of pydantic and its parts that this one is of; pydantic itself need not be installed."""
    return {base.__name__ for base in type(value).__mro__ if package_of(base).startswith("pydantic")}


def plain_key(key):
    if isinstance(key, enum.Enum):
        key = key.value
    return key if key is None or isinstance(key, (str, int, float)) else encode(key)


def with_plain_keys(value):
    """The same with keys that JSON can have; `json` itself makes texts of numbers, booleans and None alone."""
    if isinstance(value, dict):
        return {plain_key(key): with_plain_keys(item) for key, item in value.items()}
    return [with_plain_keys(item) for item in value] if isinstance(value, (list, tuple)) else value


def dump(value, **settings):
    made = {}

    def encode_once(item):
        if not hasattr(item, "__next__"):
            return encode(item)
        if id(item) not in made:
            made[id(item)] = (item, encode(item))
        return made[id(item)][1]

    try:
        return json.dumps(value, default=encode_once, **settings)
    except TypeError as error:
        if not str(error).startswith("keys must be"):
            raise
    return json.dumps(with_plain_keys(value), default=lambda item: with_plain_keys(encode_once(item)), **settings)


def encode_statistics(statistics):
    """One JSON object; what JSON cannot hold becomes null, which is counted where it is read."""
    members = []
    for name, value in statistics.items():
        try:
            text = json.dumps(value, default=plain, allow_nan=False)
        except (Exception, SystemExit):
            text = "null"
        members.append(json.dumps(faults.printed(name)) + ":" + text)
    return ("{" + ",".join(members) + "}").encode("utf-8")


def plain(value):
    """Numbers of numpy as numbers; anything else as it prints."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


class Reply:
    """What a response object of a web framework holds: the body as bytes, its type, the HTTP status."""

    def __init__(self, response, body):
        self.body = body
        content_type = self._header_of(response, "content-type") or response.media_type or "application/json"
        self.content_type = "".join(letter for letter in str(content_type) if " " <= letter <= "~")[:1024]
        self.status = int(getattr(response, "status_code", None) or 200)
        if not 200 <= self.status <= 599:
            raise ValueError("%d is no status of an answer" % self.status)

    @staticmethod
    def _header_of(response, wanted):
        headers = getattr(response, "headers", None)
        try:
            pairs = list(headers.items() if hasattr(headers, "items") else headers)
        except Exception:
            return None
        for pair in pairs:
            if isinstance(pair, (tuple, list)) and len(pair) == 2:
                name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
                if isinstance(name, str) and name.lower() == wanted:
                    return value
        return None


def is_streamed(result):
    return hasattr(result, "body_iterator") and hasattr(result, "media_type")


async def gather(response):
    """A response that makes its body piece by piece, as a whole."""
    pieces = []
    async for piece in response.body_iterator:
        pieces.append(piece.encode(getattr(response, "charset", "utf-8")) if isinstance(piece, str) else bytes(piece))
    return Reply(response, b"".join(pieces))


def send_result(worker, call, result):
    try:
        if not isinstance(result, Reply) and hasattr(result, "body") and hasattr(result, "media_type"):
            result = Reply(result, bytes(result.body))
        if isinstance(result, Reply):
            content, content_type, status = result.body, result.content_type, result.status
        else:
            content = dump(result, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
            content_type, status = "application/json", 200
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        send_reply(worker, call, 3, detail=faults.of_request(error, "the answer cannot be written as JSON: "))
        return
    send_reply(worker, call, 0, content, content_type, status=status)


def send_reply(worker, call, outcome, content=b"", content_type="", detail="", traceback="", status=0):
    statistics = encode_statistics(call.statistics) if call.statistics else b""
    texts = [content_type.encode("latin-1", "replace"), statistics, detail.encode("utf-8", "replace"), traceback.encode("utf-8", "replace")]
    offset = wire.NO_BLOCK
    length = len(content)
    if length > LARGE:
        try:
            offset = worker.heap.allocate(length)
        except MemoryError as error:
            send_reply(worker, call, 3, detail=faults.of_request(error))
            return
        worker.heap.map[offset:offset + length] = content
        worker.heap.give(offset, offset)
        content = b""
    head = wire.CALLED.pack(call.number, outcome, status, len(texts[0]), len(texts[1]), len(texts[2]), len(texts[3]), offset, length)
    worker.send(wire.ENDPOINT_REPLY, head, *texts, content)
