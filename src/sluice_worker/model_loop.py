"""The event loop of a model whose `execute` is a coroutine."""

import asyncio
import inspect


class ModelLoop:
    """Runs executions side by side. Threads: the main one, on which the loop runs."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        # The loop itself keeps no task from being collected.
        self._tasks = set()
        self._executing = set()

    def run(self, reader, sock, take):
        """Gives what the server sends to `take` until `stop` or the server's end."""
        def on_readable():
            frames = reader.read()
            if frames is None:
                self._loop.stop()
                return
            for kind, data in frames:
                take(kind, data)

        self._loop.add_reader(sock.fileno(), on_readable)
        self._loop.run_forever()
        self._loop.remove_reader(sock.fileno())

    def begin(self, coroutine):
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def begin_execution(self, coroutine, on_wait=None):
        """Begins an execution; `on_wait` is called when its code waits for the first time, or has ended without."""
        task = self.begin(coroutine)
        self._executing.add(task)
        task.add_done_callback(self._executing.discard)
        if on_wait is not None:
            # The loop takes its turns in order, so this one's comes behind the code's first.
            self._loop.call_soon(on_wait)

    def stop(self):
        """Ends the loop when the last execution has ended."""
        async def stop():
            while self._executing:
                await asyncio.wait(set(self._executing))
            self._loop.stop()

        self.begin(stop())

    def call(self, function):
        """Calls a function that may be a coroutine, after the loop's end, and waits for it."""
        async def call():
            result = function()
            if inspect.isawaitable(result):
                await result

        self._loop.run_until_complete(call())
