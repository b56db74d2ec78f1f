"""Executions: groups of requests that the server sends, and the answers to each."""

import sys
import threading
import weakref

from . import pb_utils, tensors, wire

# A sender that runs ahead of the client waits after so many responses.
UNCONFIRMED = 32

SECOND_RESPONSE = "Unable to send response. Non-decoupled model cannot send more than one response."


class Execution:
    """One group of requests under way."""

    __slots__ = ("server", "number", "requests", "block", "ended", "closed", "senders", "sent", "pending", "has_returned",
                 "is_failed", "is_rescheduling", "gate", "forgotten", "task")

    def __init__(self, server, number, block):
        self.server = server
        self.number = number
        self.block = block
        self.requests = []
        self.ended = []  # The server has all that it gets of a request.
        self.closed = []  # The sender of a request takes nothing more.
        self.forgotten = None  # Requests of which nobody waits for another word: what their senders send is dropped.
        self.task = None  # Of code that is a coroutine.
        self.senders = None
        self.sent = []  # Responses of each request, to wait for slow readers now and then.
        self.pending = 0
        self.has_returned = False
        self.is_failed = False
        self.is_rescheduling = False
        self.gate = threading.Lock()  # Held from the look at `ended` and `closed` to the sending of what they allow.

    def sender(self, index):
        if self.senders is None:
            self.senders = {}
        sender = self.senders.get(index)
        if sender is None:
            sender = self.senders[index] = pb_utils.InferenceResponseSender(self, index)
        return sender

    def is_cancelled(self, index):
        return self.requests[index].is_cancelled()

    def send(self, index, response, flags):
        final = bool(flags & pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        if flags & ~pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL:
            raise pb_utils.TritonModelException(
                "Unable to send response. Unsupported flag provided. It must be 0 or TRITONSERVER_RESPONSE_COMPLETE_FINAL.")
        if response is None and not final:
            raise pb_utils.TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero.")
        server = self.server
        ends = final or not server.is_decoupled
        with self.gate:
            if not server.is_decoupled:
                self.check_single(index, response)
            if self.closed[index]:
                raise pb_utils.TritonModelException("Unable to send response. Response sender has been closed.")
            if response is None and not server.is_decoupled:
                self.closed[index] = True
                return
            if self.is_forgotten(index):
                self.closed[index] = final
                return
            head = wire.REPLY.pack(self.number, index, 1 if ends else 0)
            body = server.encode((response,), self, len(head))
            self.closed[index] = final
            self.ended[index] = ends
            server.worker.send(wire.RESPONSE, head, *body)
            self.sent[index] += 1
        if ends:
            self.settle_if_over()
        elif self.sent[index] % UNCONFIRMED == 0:
            server.worker.flush(self.number, index)

    def is_forgotten(self, index):
        return self.forgotten is not None and index in self.forgotten

    def forget(self, index):
        """Ends a request whose code has returned and may never send the end itself."""
        with self.gate:
            if self.ended[index]:
                return
            self.ended[index] = True
            if self.forgotten is None:
                self.forgotten = set()
            self.forgotten.add(index)
            self.server.worker.send(
                wire.RESPONSE, wire.REPLY.pack(self.number, index, 1), wire.ANSWER.pack(wire.NONE, 0, 0, 0))
        self.settle_if_over()

    def check_single(self, index, response):
        """A model that is not decoupled answers a request once, and closes its sender with that or later."""
        if response is not None and self.ended[index]:
            raise pb_utils.TritonModelException(SECOND_RESPONSE)
        if response is None and not self.ended[index]:
            raise pb_utils.TritonModelException(
                "Unable to send response. Non-decoupled model cannot send complete final before sending a response.")

    def reschedules(self, index):
        """Tells whether the code wants to see a request again."""
        return self.is_rescheduling and bool(
            self.requests[index]._release_flags & pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)

    def settle_if_over(self):
        if self.has_returned and all(self.ended):
            self.server.settle(self)


def is_kept(tensor):
    """Tells whether users' code still uses a tensor of shared memory; returns the array that its views hang on."""
    stored = tensor._stored
    if stored is None or isinstance(stored.region, bytearray):
        return None
    is_held = sys.getrefcount(tensor) > 4
    root, tensor._array = stored._root, None
    stored._root = stored._array = None
    if root is None:
        if is_held:
            stored.region, stored.offset = bytearray(stored.raw()), 0
        return None
    if is_held:
        tensor._array = root.reshape(stored.shape)
        return root
    return root if sys.getrefcount(root) > 2 else None


def release_later(worker, block, roots):
    """Gives a block back when the last of the arrays is gone."""
    left = [len(roots)]

    def on_gone():
        left[0] -= 1
        if left[0] == 0:
            worker.release_theirs(block)

    for root in roots:
        weakref.finalize(root, on_gone).atexit = False


def parse(server, data):
    """Reads an EXECUTION frame."""
    number, count, block, _ = wire.EXECUTE.unpack_from(data, 8)
    at = 8 + wire.EXECUTE.size
    execution = Execution(server, number, None if block == wire.NO_BLOCK else block)
    body = bytearray(data) if block == wire.NO_BLOCK else None
    theirs = server.worker.theirs
    names, outputs = server.input_names, server.output_names
    new, of = pb_utils.InferenceRequest.__new__, pb_utils.Tensor._of
    for index in range(count):
        correlation, timeout, flags, slot, parameter_bytes, id_bytes, name_bytes, input_count = wire.REQUEST.unpack_from(data, at)
        at += wire.REQUEST.size
        request = new(pb_utils.InferenceRequest)
        inputs = []
        for _ in range(input_count):
            stored, i, at = tensors.read_tensor(data, at, theirs, body)
            inputs.append(of(names[i], stored))
        requested_count, = wire.U32.unpack_from(data, at)
        at += 4
        requested = None
        if requested_count:
            requested = [outputs[wire.U32.unpack_from(data, at + 4 * i)[0]] for i in range(requested_count)]
            at += 4 * requested_count
        request._inputs = inputs
        request._requested = requested
        request._id = str(data[at:at + id_bytes], "utf-8", "replace") if id_bytes else ""
        at += id_bytes
        request._correlation = str(data[at:at + name_bytes], "utf-8", "replace") if name_bytes else correlation
        at += name_bytes
        request._parameters = str(data[at:at + parameter_bytes], "utf-8", "replace") if parameter_bytes else ""
        at += parameter_bytes
        request._timeout = timeout
        request._flags = flags
        request._slot = slot
        request._state = execution
        request._index = index
        request._model = None
        request._version = -1
        request._trace = server.no_trace
        request._memory = server.any_memory
        request._release_flags = 1
        execution.requests.append(request)
        execution.ended.append(False)
        execution.closed.append(False)
        execution.sent.append(0)
    return execution
