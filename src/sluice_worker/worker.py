"""The process's side of the connection: sockets, memory, and what users' code may ask of the server."""

import json
import os
import socket
import threading

from . import memory, pb_utils, tensors, wire
from .calls import CallError, Calls

MAIN_SOCKET, CALL_SOCKET, SERVER_MEMORY, OWN_MEMORY = 3, 4, 5, 6


class Worker:
    """One per process. Threads: any may call and answer; one reads the main socket."""

    def __init__(self):
        self.sock = socket.socket(fileno=MAIN_SOCKET)
        self.reader = wire.Reader(self.sock)
        self.calls = Calls(socket.socket(fileno=CALL_SOCKET))
        self.theirs = memory.Region(SERVER_MEMORY, os.fstat(SERVER_MEMORY).st_size)
        self.heap = memory.Heap(OWN_MEMORY, os.fstat(OWN_MEMORY).st_size)
        self.control = memoryview(self.theirs.map)[:memory.CONTROL_BYTES]
        self.model_name = ""
        self.version_folder = ""
        self.output_names = []
        self._sending = threading.Lock()

    def send(self, kind, *parts):
        data = wire.frame(kind, *parts)
        with self._sending:
            self.sock.sendall(data)

    def send_json(self, kind, value):
        self.send(kind, json.dumps(value).encode("utf-8"))

    def is_cancelled(self, request):
        state = request._state
        if state is None:
            return self.control[request._slot] != 0
        # The slot of a request that has ended may be another one's.
        return state.is_forgotten(request._index) or (self.control[request._slot] != 0 and not state.ended[request._index])

    def release_theirs(self, block):
        """Gives a block of the server's memory back; called by finalizers, so on any thread."""
        try:
            self.send(wire.RELEASE, wire.U64.pack(block))
        except OSError:
            pass

    def log(self, level, text):
        self.calls.send(wire.LOG_CALL, wire.PAIR.pack(0, level), text.encode("utf-8", "replace"))

    def ask(self, kind, request):
        """A call with JSON both ways."""
        body = json.dumps(request).encode("utf-8")
        call = self.calls.open(kind, lambda number: (wire.U32.pack(number), body))
        try:
            _, data = call.next()
        finally:
            call.close()
        answer = json.loads(data[12:])
        if "error" in answer:
            raise CallError(answer["error"])
        return answer

    def flush(self, execution, index):
        """Returns when the server has passed on all responses of a request."""
        call = self.calls.open(
            wire.FLUSH_CALL, lambda number: (wire.U32.pack(number), wire.PAIR.pack(execution, index)))
        try:
            call.next()
        finally:
            call.close()

    def infer(self, request, decoupled):
        call = self.calls.open(wire.INFER_CALL, lambda number: self._infer_body(number, request, decoupled))
        return Answers(self, call)

    def infer_async(self, request, decoupled):
        call = self.calls.open_async(wire.INFER_CALL, lambda number: self._infer_body(number, request, decoupled))
        return Answers(self, call)

    def _infer_body(self, number, request, decoupled):
        model = str(request._model).encode("utf-8")
        identity = str(request._id).encode("utf-8")
        correlation = request._correlation
        sequence = correlation.encode("utf-8") if isinstance(correlation, str) else b""
        parameters = b""
        if request._parameters:
            try:
                parameters = pb_utils.parameters_as_sent(request._parameters)
            except (ValueError, RecursionError) as error:
                raise pb_utils.TritonModelException("request parameters must be a JSON object: %s" % error) from None
        names = [str(name).encode("utf-8") for name in request._requested]
        writer = tensors.Writer(self.heap)
        for tensor in request._inputs:
            name = tensor._name.encode("utf-8")
            writer.add(len(name), tensor._elements(), name, tensor._code)
        head = wire.INFER.pack(
            number, int(request._version), 0 if sequence else int(correlation), int(request._timeout),
            request._flags & 3, len(parameters), len(request._inputs), len(names), 1 if decoupled else 0)
        texts = b"".join(_text(text) for text in (model, identity, sequence, *names))
        described, data = writer.finish(8 + len(head) + len(texts) + len(parameters) + writer.described_bytes())
        return (head, texts, parameters, *described, *data)

    def read_answer(self, data):
        """Reads one answer of a model; returns (response, is it the last). An end without outputs is a response too."""
        _, status, code, final, count, text_length, block = wire.INFERRED.unpack_from(data, 8)
        at = 8 + wire.INFERRED.size
        text = str(data[at:at + text_length], "utf-8")
        at += text_length
        if status == wire.FAILED:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, code)), final
        if status == wire.NONE:
            return pb_utils.InferenceResponse(), final
        body = bytearray(data) if block == wire.NO_BLOCK else None
        outputs = []
        for _ in range(count):
            stored, name_length, at = tensors.read_tensor(data, at, self.theirs, body)
            name = str(data[at:at + name_length], "utf-8")
            at += name_length
            if block != wire.NO_BLOCK:
                # The answer outlives the call, so it gets memory of its own.
                stored.region, stored.offset = bytearray(stored.raw()), 0
            outputs.append(pb_utils.Tensor._of(name, stored))
        if block != wire.NO_BLOCK:
            self.release_theirs(block)
        return pb_utils.InferenceResponse(outputs, parameters=text), final


def _text(utf8):
    return len(utf8).to_bytes(2, "little") + utf8


class Answers:
    """Responses of another model, one by one: for threads and plain loops, and with `async for`. Those that came are kept,
    since a second loop begins with the first of them, as in the original."""

    def __init__(self, worker, call):
        self._worker = worker
        self._call = call
        self._kept = []
        self._at = 0
        self._is_over = False

    def __iter__(self):
        if self._is_over and self._at >= len(self._kept):
            self._at = 0
        return self

    def __next__(self):
        if self._at >= len(self._kept):
            if self._is_over:
                raise StopIteration
            self._take(self._call.next())
        return self._pass()

    def __aiter__(self):
        return iter(self)

    async def __anext__(self):
        if self._at >= len(self._kept):
            if self._is_over:
                raise StopAsyncIteration
            self._take(await self._call.next_async())
        return self._pass()

    async def begun(self):
        """Returns these answers when the first one is there, so that a plain loop does not block for it."""
        try:
            self._take(await self._call.next_async())
        except BaseException:
            # Whoever has stopped waiting never comes to the rest.
            self._call.cancel()
            self._call.close()
            raise
        return self

    def cancel(self):
        self._call.cancel()

    def _take(self, message):
        response, self._is_over = self._worker.read_answer(message[1])
        if self._is_over:
            self._call.close()
        response._call = self._call
        self._kept.append(response)

    def _pass(self):
        response = self._kept[self._at]
        self._at += 1
        return response
