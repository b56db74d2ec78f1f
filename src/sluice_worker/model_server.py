"""Runs a Triton Python model: takes executions, calls the model's code, answers."""

import asyncio
import inspect
import json
import os
import sys

import numpy as np

from . import executions, faults, imports, pb_utils, tensors, wire
from .model_loop import ModelLoop

# Stands for the response of a request that comes again.
RESCHEDULE = object()

INT64_FIELDS = frozenset((
    "dims", "shape", "versions", "max_queue_delay_microseconds", "default_timeout_microseconds", "priority_levels",
    "default_priority_level", "max_sequence_idle_microseconds", "model_version", "gpu_weight_stream_budget"))


def to_numbers(value, key=""):
    """Proto JSON has 64-bit numbers as text; models expect numbers."""
    if isinstance(value, dict):
        return {name: to_numbers(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [to_numbers(item, key) for item in value]
    return int(value) if key in INT64_FIELDS and isinstance(value, str) else value


def names_of(config):
    """Names of inputs and outputs in the server's order: clients' tensors, then controls, states and what a batch tells."""
    sequence = config.get("sequence_batching") or {}
    states = sequence.get("state", ())
    inputs = [tensor["name"] for tensor in config.get("input", ())]
    inputs += [control["name"] for control in sequence.get("control_input", ()) for _ in control.get("control", ())]
    inputs += [state["input_name"] for state in states]
    inputs += [name for tensor in config.get("batch_input", ()) for name in tensor.get("target_name", ())]
    outputs = [tensor["name"] for tensor in config.get("output", ())]
    outputs += [state["output_name"] for state in states if state["output_name"] not in outputs]
    return inputs, outputs


class ModelServer:
    """One per process. Threads: the main one reads and runs the model; senders answer from any."""

    def __init__(self, worker):
        self.worker = worker
        self.input_names = []
        self.output_names = []
        self.is_decoupled = False
        self.no_trace = pb_utils.InferenceTrace()
        self.any_memory = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU)
        self._instance = ""
        self._class = None
        self._model = None
        self._numbers = {}
        self._loop = None
        self._is_stopping = False
        self._open = {}  # Executions of a decoupled model by number, until all of their requests have ended.

    def load(self, plan):
        """Imports the model's code and completes its configuration."""
        worker = self.worker
        worker.model_name = plan["model_name"]
        worker.version_folder = plan["version_folder"]
        config = to_numbers(json.loads(plan["config"]))
        try:
            self._class = self._find_class(plan)
            completed = None
            if plan["auto_complete"]:
                complete = getattr(self._class, "auto_complete_config", None)
                if complete is not None:
                    result = complete(pb_utils.ModelConfig(config))
                    if not isinstance(result, pb_utils.ModelConfig):
                        raise TypeError("auto_complete_config must return the configuration object, not %r" % (result,))
                    completed = json.dumps(result.as_dict())
        except Exception as error:
            worker.send_json(wire.LOADED, {"error": faults.explain_import(error)})
            return False
        worker.send_json(wire.LOADED, {
            "completed": completed, "python": sys.executable, "is_ready": hasattr(self._class, "is_ready")})
        return True

    def initialize(self, plan):
        config = to_numbers(json.loads(plan["args"]["model_config"]))
        args = dict(plan["args"], model_config=json.dumps(config))
        self.input_names, self.output_names = names_of(config)
        self.worker.output_names = self.output_names
        self._numbers = {name: number for number, name in enumerate(self.output_names)}
        self.is_decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self._instance = args["model_instance_name"]
        try:
            if inspect.iscoroutinefunction(getattr(self._class, "execute", None)):
                self._loop = ModelLoop()
            self._model = self._class()
            if not callable(getattr(self._model, "execute", None)):
                raise AttributeError("class TritonPythonModel has no method 'execute'")
            begin = getattr(self._model, "initialize", None)
            if begin is not None:
                begin(args)
        except Exception as error:
            self.worker.send_json(wire.INITIALIZED, {"error": faults.explain_import(error)})
            return False
        self.worker.send_json(wire.INITIALIZED, {})
        return True

    def run(self):
        """Serves until the server says stop or goes away."""
        if self._loop is None:
            self._run_in_turn()
        else:
            self._loop.run(self.worker.reader, self.worker.sock, self._handle)
        if self._is_stopping:
            self._finalize()

    def _run_in_turn(self):
        while True:
            frames = self.worker.reader.read()
            if frames is None:
                return
            for kind, data in frames:
                self._handle(kind, data)
                if self._is_stopping:
                    return

    def _handle(self, kind, data):
        if kind == wire.EXECUTION:
            execution = executions.parse(self, data)
            if self.is_decoupled:
                self._open[execution.number] = execution
            if self._loop is None:
                self._execute(execution)
            else:
                execution.task = self._loop.begin_execution(
                    self._execute_async(execution), (lambda: self._give_next(execution)) if self.is_decoupled else None)
        elif kind == wire.FREE:
            for at in range(8, len(data), 8):
                self.worker.heap.take_back(wire.U64.unpack_from(data, at)[0])
        elif kind == wire.PING:
            self._tell_readiness()
        elif kind == wire.FORGET:
            number, index = wire.PAIR.unpack_from(data, 8)
            if number in self._open:
                self._open[number].forget(index)
        elif kind == wire.CANCEL:
            execution = self._open.get(wire.U32.unpack_from(data, 8)[0])
            if execution is not None and execution.task is not None:
                execution.task.cancel()
        elif kind == wire.STOP:
            self._is_stopping = True
            if self._loop is not None:
                self._loop.stop()

    def _give_next(self, execution):
        """The code waits: another execution may begin. One that never waits has returned by now."""
        if not execution.has_returned:
            self.worker.send(wire.NEXT, wire.U32.pack(execution.number))

    def _execute(self, execution):
        try:
            responses = self._model.execute(execution.requests)
            if inspect.isawaitable(responses):
                responses = asyncio.run(_await(responses))
        except SystemExit as error:
            self._fail(execution, error)
            raise
        except BaseException as error:
            self._fail(execution, error)
        else:
            self._reply(execution, responses)
            responses = None
        self._finish(execution)

    async def _execute_async(self, execution):
        try:
            responses = await self._model.execute(execution.requests)
        except SystemExit as error:
            self._fail(execution, error)
            os._exit(error.code if isinstance(error.code, int) else 1)
        except BaseException as error:
            self._fail(execution, error)
        else:
            self._reply(execution, responses)
            responses = None
        self._finish(execution)

    def _finish(self, execution):
        execution.has_returned = True
        if self.is_decoupled:
            execution.settle_if_over()
        elif execution.senders is None or all(execution.ended):
            self.settle(execution)

    def settle(self, execution):
        """Gives the inputs' memory back, unless users' code still looks at it."""
        self._open.pop(execution.number, None)
        if execution.block is None:
            return
        block, execution.block = execution.block, None
        roots = []
        for request in execution.requests:
            inputs = request._inputs
            for tensor in inputs:
                root = executions.is_kept(tensor)
                if root is not None:
                    roots.append(root)
            root = None
        if roots:
            executions.release_later(self.worker, block, roots)
        else:
            self.worker.release_theirs(block)

    def _fail(self, execution, error):
        trace = faults.describe(error)
        text = "Failed to process the request(s) for model '%s', message: %s" % (self._instance, trace)
        self._fail_with(execution, text, wire.LEAVING if isinstance(error, SystemExit) else 0)
        error.__traceback__ = None

    def _fail_with(self, execution, text, flags=0):
        # Those that were answered before keep their answers.
        head = wire.REPLY.pack(execution.number, len(execution.requests), flags)
        utf8 = text.encode("utf-8", "replace")
        with execution.gate:
            if all(execution.ended):
                # Nobody is told any more.
                self.worker.log(2, text)
            body = []
            for index, ended in enumerate(execution.ended):
                execution.ended[index] = execution.closed[index] = True
                body.append(wire.ANSWER.pack(wire.NONE, 0, 0, 0) if ended
                            else wire.ANSWER.pack(wire.FAILED, pb_utils.TritonError.INTERNAL, 0, len(utf8)) + utf8)
            self.worker.send(wire.REPLIED, head, *body)

    def _reply(self, execution, responses):
        count = len(execution.requests)
        if self.is_decoupled:
            if responses is not None:
                self._fail_with(execution, (
                    "Failed to process the request(s) for model '%s', message: Python model '%s' is using the decoupled mode "
                    "and the execute function must return None." % (self._instance, self._instance)))
                return
            responses = (None,) * count
        elif responses is None and execution.senders is not None:
            responses = (None,) * count
        fault = self._find_fault(execution, responses, count)
        if fault is not None:
            self._fail_with(execution, "Failed to process the request(s) for model '%s', message: %s" % (self._instance, fault))
            return
        if execution.is_rescheduling:
            responses = [RESCHEDULE if execution.reschedules(index) and not execution.ended[index] else response
                         for index, response in enumerate(responses)]
        head = wire.REPLY.pack(execution.number, count, 0)
        try:
            body = self.encode(responses, execution, len(head))
        except Exception as error:
            self._fail(execution, error)
            return
        for index, response in enumerate(responses):
            if response is not None:
                execution.ended[index] = execution.closed[index] = True
        self.worker.send(wire.REPLIED, head, *body)

    def _find_fault(self, execution, responses, count):
        if not isinstance(responses, (list, tuple)):
            return "Expected a list in the execute return value, found type '%s'." % type(responses).__name__
        if len(responses) != count:
            return ("Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
                    "InferenceRequest(s) size is:%d, and InferenceResponse(s) size is:%d\n" % (count, len(responses)))
        for index, response in enumerate(responses):
            if execution.reschedules(index):
                if response is not None:
                    # The word is the original's, for those who look for it.
                    return ("Expected a None object in the execute function return list for reschduled request, found type '%s'."
                            % type(response).__name__)
            elif response is None:
                if not self.is_decoupled and (execution.senders is None or index not in execution.senders):
                    return ("Expected an 'InferenceResponse' object in the execute function return list, found None for a "
                            "request whose response sender was not taken.")
            elif not isinstance(response, pb_utils.InferenceResponse):
                return ("Expected an 'InferenceResponse' object in the execute function return list, found type '%s'."
                        % type(response).__name__)
            elif execution.ended[index]:
                return executions.SECOND_RESPONSE
        return None

    def encode(self, responses, execution, head_length):
        """Returns the parts of a frame that hold answers."""
        block = None if execution.block is None else (execution.block, self.worker.theirs.length - execution.block)
        writer = tensors.Writer(self.worker.heap, self.worker.theirs, block)
        heads, counts = [], []
        for response in responses:
            heads.append(self._head_of(response, writer, counts))
        start = 8 + head_length + sum(map(len, heads)) + writer.described_bytes()
        described, data = writer.finish(start)
        parts, at = [], 0
        for head, count in zip(heads, counts):
            parts.append(head)
            parts.extend(described[at:at + count])
            at += count
        parts.extend(data)
        return parts

    def _head_of(self, response, writer, counts):
        if response is None:
            counts.append(0)
            return wire.ANSWER.pack(wire.NONE, 0, 0, 0)
        if response is RESCHEDULE:
            counts.append(0)
            return wire.ANSWER.pack(wire.RESCHEDULED, 0, 0, 0)
        error = response._error
        if error is not None:
            text = error.message().encode("utf-8", "replace")
            counts.append(0)
            return wire.ANSWER.pack(wire.FAILED, error.code(), 0, len(text)) + text
        count = 0
        for tensor in response._tensors:
            number = self._numbers.get(tensor._name)
            if number is not None:
                writer.add(number, tensor._elements(), code=tensor._code)
                count += 1
        counts.append(count)
        text = self._parameters_of(response)
        return wire.ANSWER.pack(wire.RESPONDED, 0, count, len(text)) + text

    @staticmethod
    def _parameters_of(response):
        try:
            return pb_utils.parameters_as_sent(response._parameters) if response._parameters else b""
        except (ValueError, RecursionError):
            return b""  # What is no JSON object has no meaning for clients.

    def _tell_readiness(self):
        async def tell():
            try:
                ready = self._model.is_ready()
                if inspect.isawaitable(ready):
                    ready = await ready
                if not isinstance(ready, (bool, np.bool_)):
                    raise TypeError("is_ready() must return a boolean value, not %s" % type(ready).__name__)
            except (Exception, asyncio.CancelledError) as error:
                self.worker.log(2, "is_ready failed: %s" % faults.describe(error))
                ready = False
            self.worker.send(wire.PONG, b"\x01" if ready else b"\x00")

        if self._loop is None:
            asyncio.run(tell())
        else:
            self._loop.begin(tell())

    def _finalize(self):
        end = getattr(self._model, "finalize", None)
        if end is not None:
            try:
                if self._loop is not None:
                    self._loop.call(end)
                else:
                    result = end()
                    if inspect.isawaitable(result):
                        asyncio.run(_await(result))
            except Exception as error:
                self.worker.log(2, "finalize failed: %s" % faults.full(error))
        self.worker.send(wire.STOPPED, b"{}")

    def _find_class(self, plan):
        if plan["kind"] == "sklearn":
            from . import sklearn_model
            sklearn_model.path = plan["file"]
            return sklearn_model.TritonPythonModel
        module = imports.import_model(plan["file"], os.path.abspath(plan["version_folder"]))
        found = getattr(module, "TritonPythonModel", None)
        if found is None:
            raise AttributeError("module '%s' has no class TritonPythonModel" % os.path.basename(plan["file"]))
        return found


async def _await(awaitable):
    return await awaitable
