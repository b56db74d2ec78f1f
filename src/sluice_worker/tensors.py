"""Tensors: types, strings, and their way into and out of frames."""

import struct

import numpy as np

from . import wire

BYTES, BF16 = 13, 14
NUMPY = [None, np.dtype(bool), np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32), np.dtype(np.uint64),
         np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float16),
         np.dtype(np.float32), np.dtype(np.float64), np.dtype(object), None]
NAMES = ["INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
         "FP64", "BYTES", "BF16"]
WORDS = np.dtype(np.uint16)
CODES = {dtype: code for code, dtype in enumerate(NUMPY) if dtype is not None}
_DIMS = [struct.Struct("<%dq" % rank) for rank in range(33)]
_LENGTH = struct.Struct("<I")


def code_of(dtype):
    """The wire's number of a numpy type."""
    code = CODES.get(dtype)
    if code is None:
        code = BYTES if dtype.kind in "SU" else CODES.get(dtype.newbyteorder("="))
        if code is None:
            raise TypeError("numpy type %s has no counterpart among tensor types" % dtype)
    return code


def deserialize(data, count=None):
    """Reads length-prefixed strings into a list of bytes."""
    found = []
    at, end = 0, len(data)
    while at < end:
        length, = _LENGTH.unpack_from(data, at)
        at += 4
        found.append(bytes(data[at:at + length]))
        at += length
    return found


def serialize(array):
    """Writes the elements of an array of objects, bytes or text with length prefixes."""
    parts = []
    for item in array.flat:
        if not isinstance(item, bytes):
            item = bytes(item) if isinstance(item, (bytearray, memoryview)) else str(item).encode("utf-8")
        parts.append(_LENGTH.pack(len(item)))
        parts.append(item)
    return b"".join(parts)


def object_array(items, shape):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


class Stored:
    """A received tensor: its bytes in shared memory or in a frame of its own, made into an array when asked for."""

    __slots__ = ("dtype", "shape", "region", "offset", "length", "_array", "_root")

    def __init__(self, dtype, shape, region, offset, length):
        self.dtype = dtype
        self.shape = shape
        self.region = region
        self.offset = offset
        self.length = length
        self._array = self._root = None

    def array(self):
        """The elements; those of BF16, which numpy does not have, as words of 16 bits."""
        if self._array is None:
            dtype = WORDS if self.dtype == BF16 else NUMPY[self.dtype]
            if dtype is None:
                raise TypeError("tensors of type %s have no numpy form" % NAMES[self.dtype])
            if self.dtype == BYTES:
                self._array = object_array(deserialize(self.raw()), self.shape)
            elif isinstance(self.region, bytearray):
                self._array = np.frombuffer(self.region, dtype, self.length // dtype.itemsize, self.offset).reshape(self.shape)
            else:
                self._root = self.region.array(dtype, self.length // dtype.itemsize, self.offset)
                self._array = self._root.reshape(self.shape)
        return self._array

    def raw(self):
        if isinstance(self.region, bytearray):
            return memoryview(self.region)[self.offset:self.offset + self.length]
        return memoryview(self.region.map)[self.offset:self.offset + self.length]

    def take_root(self):
        """The array that every view of shared memory hangs on, given up here; None when none was made."""
        root, self._root, self._array = self._root, None, None
        return root


def read_tensor(data, at, theirs, body):
    """Reads a description; returns (tensor, index or length of the name, next position)."""
    dtype, rank, place, index, offset, length = wire.TENSOR.unpack_from(data, at)
    at += 24
    shape = _DIMS[rank].unpack_from(data, at)
    region = body if place == wire.INLINE else theirs
    return Stored(dtype, shape, region, offset, length), index, at + 8 * rank


class Writer:
    """Places tensors of one frame: small ones in the frame, large ones in shared memory, in one block."""

    def __init__(self, heap, theirs=None, block=None):
        self._heap = heap
        self._theirs = theirs
        self._block = block
        self._items = []
        self._large = 0
        self._copies = 0

    def add(self, index, array, name=b"", code=None):
        """Takes an array; `index` is the number in the configuration or the length of the name, `code` the type where numpy
        does not have it."""
        code = code or code_of(array.dtype)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        data = serialize(array) if code == BYTES else array
        size = len(data) if code == BYTES else array.nbytes
        place, offset = wire.INLINE, 0
        if size > wire.INLINE_LIMIT:
            place, offset = wire.OURS, -1
            if code != BYTES and array.flags.c_contiguous:
                place, offset = self._find(array)
            if offset < 0:
                offset = -1 - self._large
                self._large += (size + 63) & ~63
                self._copies += 1
        self._items.append((code, array.shape, place, index, offset, size, data, name))

    def _find(self, array):
        """An array that lies in shared memory already is not copied."""
        if self._block is not None:
            offset = self._theirs.offset_of(array)
            if offset >= self._block[0] and offset + array.nbytes <= self._block[0] + self._block[1]:
                return wire.THEIRS, offset
        found = self._heap.find(array)
        if found is None:
            return wire.OURS, -1
        self._heap.give(*found)
        return wire.OURS, found[0]

    def finish(self, start):
        """Returns (parts of descriptions by item, data parts). `start` is the length of all that stands
        before the data in the frame, descriptions included."""
        block = self._heap.allocate(self._large, self._copies) if self._copies else None
        described, inline = [], []
        for code, shape, place, index, offset, size, data, name in self._items:
            if place == wire.INLINE:
                offset = start
                start += size
                inline.append(data if code == BYTES else data.tobytes())
            elif offset < 0:
                offset = block + (-1 - offset)
                self._copy(code, data, size, offset)
                self._heap.give(offset, block)
            described.append(wire.TENSOR.pack(code, len(shape), place, index, offset, size) + _DIMS[len(shape)].pack(*shape) + name)
        return described, inline

    def _copy(self, code, data, size, offset):
        if code == BYTES:
            self._heap.map[offset:offset + size] = data
        else:
            self._heap.array(data.dtype, data.size, offset).reshape(data.shape)[...] = data

    def described_bytes(self):
        return sum(24 + 8 * len(item[1]) + len(item[7]) for item in self._items)
