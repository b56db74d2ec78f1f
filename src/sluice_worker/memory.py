"""Memory shared with the server: one region that the server allocates in, one that we do. Arrays are views over it."""

import mmap
import threading
import weakref

import numpy as np

CONTROL_BYTES = 65536


class Region:
    """A mapped region."""

    def __init__(self, file, length):
        self.length = length
        self.map = mmap.mmap(file, length)
        self.base = np.frombuffer(self.map, np.uint8, 1).__array_interface__["data"][0]

    def array(self, dtype, count, offset):
        return np.frombuffer(self.map, dtype, count, offset)

    def bytes(self, offset, length):
        return self.map[offset:offset + length]

    def offset_of(self, array):
        """Where an array lies in the region; -1 = elsewhere."""
        offset = array.__array_interface__["data"][0] - self.base
        return offset if 0 <= offset and offset + array.nbytes <= self.length else -1


class OutOfMemory(MemoryError):
    """The region is full."""


class Heap(Region):
    """The region that we allocate in. Blocks are counted: the server holds those that it was given."""

    def __init__(self, file, length):
        super().__init__(file, length)
        self._lock = threading.Lock()
        self._free = {}
        self._holders = {}
        self._given = {}
        self._top = 0

    def allocate(self, byte_count, holders=1):
        """Returns the offset of a block, aligned to 64 bytes or more."""
        step = 1 << max(12, byte_count.bit_length() - 4)
        size = (byte_count + step - 1) & -step
        with self._lock:
            blocks = self._free.get(size)
            if blocks:
                offset = blocks.pop()
            else:
                if self._top + size > self.length and not self._holders:
                    self._free.clear()
                    self._top = 0
                offset = self._top
                if offset + size > self.length:
                    raise OutOfMemory(
                        "%d bytes of output do not fit into the %d bytes of shared memory that the worker may use (%d are taken)"
                        % (byte_count, self.length, self._top))
                self._top = offset + size
            self._holders[offset] = [holders, size]
        return offset

    def release(self, offset):
        with self._lock:
            entry = self._holders.get(offset)
            if entry is None:
                return
            entry[0] -= 1
            if entry[0] == 0:
                del self._holders[offset]
                self._free.setdefault(entry[1], []).append(offset)

    def give(self, offset, block):
        """Notes that the server holds a tensor; the block has been held for it."""
        with self._lock:
            self._given.setdefault(offset, []).append(block)

    def take_back(self, offset):
        """The server has done with a tensor."""
        with self._lock:
            blocks = self._given.get(offset)
            if not blocks:
                return
            block = blocks.pop()
            if not blocks:
                del self._given[offset]
        self.release(block)

    def find(self, array):
        """Holds the block that an array lies in, for one that is to be given; None when it lies elsewhere."""
        offset = self.offset_of(array)
        if offset < 0:
            return None
        with self._lock:
            for block, entry in self._holders.items():
                if block <= offset and offset + array.nbytes <= block + entry[1]:
                    entry[0] += 1
                    return offset, block
        return None

    def empty(self, shape, dtype):
        """An array in shared memory, so that sending it copies nothing."""
        dtype = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        offset = self.allocate(max(1, count * dtype.itemsize))
        array = self.array(dtype, count, offset)
        weakref.finalize(array, self.release, offset)
        return array.reshape(shape)
