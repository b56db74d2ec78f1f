"""The event loop of a model whose `execute` is a coroutine."""

import asyncio
import inspect

# Of the ten seconds that the server gives a process unless told otherwise.
STOP_SECONDS = 5


class ModelLoop:
    """Runs executions side by side. Threads: the main one, on which the loop runs."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        # The loop itself keeps no task from being collected.
        self._tasks = set()
        self._executing = set()
        self._error = None

    def run(self, reader, sock, take):
        """Gives what the server sends to `take` until `stop` or the server's end."""
        def on_readable():
            try:
                frames = reader.read()
                if frames is None:
                    self._loop.stop()
                    return
                for kind, data in frames:
                    take(kind, data)
            except BaseException as error:
                # The loop would only log it; frames are lost, so the process has to end.
                self._error = error
                self._loop.stop()

        self._loop.add_reader(sock.fileno(), on_readable)
        self._loop.run_forever()
        self._loop.remove_reader(sock.fileno())
        if self._error is not None:
            raise self._error

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
        return task

    def stop(self):
        """Ends the loop when the last execution has ended; those that go on for long are cancelled, so that the model still comes to its
        `finalize`."""
        async def stop():
            if self._executing:
                await asyncio.wait(set(self._executing), timeout=STOP_SECONDS)
            for task in self._executing:
                task.cancel()
            if self._executing:
                await asyncio.wait(set(self._executing), timeout=1)
            self._loop.stop()

        self.begin(stop())

    def call(self, function):
        """Calls a function that may be a coroutine, after the loop's end, and waits for it."""
        async def call():
            result = function()
            if inspect.isawaitable(result):
                await result

        self._loop.run_until_complete(call())
