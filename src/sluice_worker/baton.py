"""One thread at a time runs users' code, but for the time that it waits for the server.

Code written for one event loop never met another call half-way, so calls take turns. A call that waits for another endpoint or
model gives its turn away; otherwise two endpoints that call each other would wait for ever.
"""

import collections
import os
import select
import threading

MOST_THREADS = 64


class Baton:
    """Whoever holds it receives frames and handles them. Threads: those it made, and any that call `outside`."""

    def __init__(self, worker, handle):
        self._worker = worker
        self._handle = handle
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._need = threading.Semaphore(0)
        self._local = threading.local()
        self._queue = collections.deque()
        self._wake_read, self._wake_write = os.pipe()
        self._outside = self._returning = self._parked = 0
        self._threads = 1
        self._over = threading.Event()

    def run(self):
        """Serves on the calling thread and on as many others as wait; returns at the end of the connection."""
        self._serve()
        self._over.wait()

    def stop(self):
        self._over.set()

    def outside(self, wait):
        """Runs something that waits for the server, while others have their turn."""
        if not getattr(self._local, "serves", False):
            return wait()
        with self._state:
            if self._parked:
                self._parked -= 1
                self._need.release()
            elif self._threads < MOST_THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, daemon=True).start()
            self._outside += 1
        self._turn.release()
        try:
            return wait()
        finally:
            with self._state:
                self._returning += 1
            os.write(self._wake_write, b"\0")
            self._turn.acquire()
            with self._state:
                self._returning -= 1
                self._outside -= 1

    def _serve(self):
        self._local.serves = True
        self._turn.acquire()
        while not self._over.is_set():
            if self._returning:
                self._park()
            elif self._queue:
                kind, data = self._queue.popleft()
                if not self._handle(kind, data):
                    self._over.set()
            elif not self._receive():
                self._over.set()
        self._turn.release()

    def _park(self):
        with self._state:
            self._parked += 1
        self._turn.release()
        self._need.acquire()
        self._turn.acquire()

    def _receive(self):
        if self._outside:
            ready, _, _ = select.select((self._worker.sock, self._wake_read), (), ())
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            if self._worker.sock not in ready:
                return True
        frames = self._worker.reader.read()
        if frames is None:
            return False
        self._queue.extend(frames)
        return True
