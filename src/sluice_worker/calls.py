"""Calls from users' code back into the server: other models, endpoints, metrics, logs. Threads: any, and event loops."""

import asyncio
import itertools
import queue
import socket
import threading
import weakref

from . import wire

_WAKE = object()


class CallError(Exception):
    """The server refused a call, or went away."""



class Calls:
    """One socket for all calls. A waiting thread reads it for all others, so that an answer needs no thread of its own."""

    def __init__(self, sock):
        self._sock = sock
        self._reader = wire.Reader(sock)
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._ids = itertools.count(1)
        self._waiters = {}
        self._blocked = set()  # Queues at which a thread waits.
        self._loops = weakref.WeakSet()
        self.ended = False

    def send(self, kind, *parts):
        data = wire.frame(kind, *parts)
        with self._sending:
            self._sock.sendall(data)

    def open(self, kind, make):
        """Begins a call from a thread; `make` gives the body for its number."""
        number = next(self._ids)
        waiter = queue.SimpleQueue()
        self._waiters[number] = waiter.put
        self._start(number, kind, make)
        return Call(self, number, waiter)

    def open_async(self, kind, make):
        """Begins a call from the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops.add(loop)
            loop.add_reader(self._sock.fileno(), self._on_readable)
        number = next(self._ids)
        waiter = LoopQueue(loop)
        self._waiters[number] = waiter.put
        self._start(number, kind, make)
        return Call(self, number, waiter)

    def close(self, number):
        self._waiters.pop(number, None)

    def cancel(self, number):
        if number in self._waiters:
            self.send(wire.CANCEL_CALL, wire.U32.pack(number))

    def wait(self, waiter):
        # Whoever stands here before it tries to read is woken by the reader that was faster.
        self._blocked.add(waiter)
        try:
            while True:
                try:
                    message = waiter.get_nowait()
                except queue.Empty:
                    if self._reading.acquire(False):
                        try:
                            while waiter.empty() and self._read():
                                pass
                            if self.ended and waiter.empty():
                                raise CallError("the server has gone away")
                        finally:
                            self._reading.release()
                            self._wake_others(waiter)
                        continue
                    message = waiter.get()
                if message is not _WAKE:
                    return message
        finally:
            self._blocked.discard(waiter)

    def _start(self, number, kind, make):
        try:
            self.send(kind, *make(number))
        except BaseException:
            self.close(number)
            raise

    def _read(self, flags=0):
        frames = self._reader.read(flags)
        if frames is None:
            self.ended = True
            return False
        for kind, data in frames:
            number, = wire.U32.unpack_from(data, 8)
            deliver = self._waiters.get(number)
            if deliver is not None:
                deliver((kind, data))
        return True

    def _on_readable(self):
        if not self._reading.acquire(False):
            return
        try:
            self._read(socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        finally:
            self._reading.release()
            self._wake_others(None)

    def _wake_others(self, own):
        """Whoever still waits in a thread becomes the next reader."""
        for waiter in list(self._blocked):
            if waiter is not own:
                waiter.put(_WAKE)


class LoopQueue(queue.SimpleQueue):
    """A queue at which an event loop may wait, and any thread."""

    def __init__(self, loop):
        super().__init__()
        self._loop = loop
        self._future = None

    def put(self, message):
        super().put(message)
        if self._future is not None:
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                # The loop has ended; nobody waits there any more.
                self._future = None

    async def next(self):
        while True:
            try:
                message = self.get_nowait()
            except queue.Empty:
                # Whoever puts a message in after this line sees the future.
                future = self._future = self._loop.create_future()
                if self.empty():
                    await future
                continue
            if message is not _WAKE:
                return message

    def _tell(self):
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(None)


class Call:
    """A call under way. Threads may wait for what comes, and the event loop that began it."""

    __slots__ = ("_calls", "_number", "_waiter")

    def __init__(self, calls, number, waiter):
        self._calls = calls
        self._number = number
        self._waiter = waiter

    def next(self):
        return self._calls.wait(self._waiter)

    async def next_async(self):
        return await self._waiter.next()

    def cancel(self):
        self._calls.cancel(self._number)

    def close(self):
        self._calls.close(self._number)
