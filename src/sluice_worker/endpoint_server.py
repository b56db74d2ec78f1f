"""Runs the code of a ClearML endpoint: preprocess, the engine or process, postprocess."""

import asyncio
import contextvars
import gc
import importlib.util
import inspect
import json
import os
import sys

from . import bodies, engines, faults, imports, pb_utils, wire
from .baton import Baton

OK, NOT_FOUND, BAD_REQUEST, FAILED, UNAVAILABLE, TIMED_OUT, CANCELLED, RAISED = range(8)
STARTED_AT = 32768  # Distance of the byte that says that a call has begun from the one that says that it was cancelled.
ENDS_OF_A_THREAD = (KeyboardInterrupt, GeneratorExit)  # Anything else that users' code raises, SystemExit too, is told to the caller.
SEND_TIMEOUT_SECONDS = 0.8 * float(os.environ.get("GUNICORN_SERVING_TIMEOUT") or 600)

_depth = contextvars.ContextVar("depth", default=None)


class ModelEndpoint:
    """The endpoint's record, as `self.model_endpoint`."""

    def __init__(self, record):
        self.__dict__.update(record)

    def as_dict(self, remove_null_entries=False):
        return {key: value for key, value in self.__dict__.items() if value is not None or not remove_null_entries}

    def __repr__(self):
        return "ModelEndpoint(%s)" % ", ".join("%s=%r" % field for field in self.__dict__.items())


class EndpointServer:
    """One per process."""

    def __init__(self, worker):
        self.worker = worker
        self._plan = None
        self._class = None
        self._user = None
        self._model = None
        self._server_model = None
        self._engine = ""
        self._loop = None
        self._baton = Baton(worker, self._handle)
        self._depths = []  # Of the calls under way.

    def load(self, plan):
        self._plan = plan
        self._engine = plan["engine"]
        try:
            self._class = self._import(plan.get("preprocess"))
        except Exception as error:
            self.worker.send_json(wire.LOADED, {"error": faults.explain_import(error)})
            return False
        self.worker.send_json(wire.LOADED, {"python": sys.executable})
        return True

    def initialize(self, _):
        plan = self._plan
        try:
            if self._engine == "custom_async":
                self._loop = asyncio.new_event_loop()
                asyncio.set_event_loop(self._loop)
            if self._class is not None:
                self._user = self._class()
                self._user.model_endpoint = ModelEndpoint(json.loads(plan["record"]))
                self._user.send_request = self._send_async if self._loop is not None else self._send
            self._model = self._load_model(plan)
        except Exception as error:
            self.worker.send_json(wire.INITIALIZED, {"error": faults.explain_import(error)})
            return False
        self.worker.send_json(wire.INITIALIZED, {})
        return True

    def run(self):
        if self._loop is None:
            self._baton.run()
            return
        self._loop.add_reader(self.worker.sock.fileno(), self._on_readable)
        self._loop.run_forever()
        self._unload()

    def _import(self, path):
        if path is None:
            return None
        if os.path.isdir(path):
            path = os.path.abspath(path)
            imports.add_folder(path)
            entry = self._entry_of(path)
            if os.path.basename(entry) == "__init__.py":
                # No file has this name: modules of the package must find what they import.
                module = imports.import_file(entry, "_sluice_endpoint", path)
            else:
                module = imports.import_file(entry, "Preprocess")
        else:
            module = imports.import_file(path, "Preprocess")
        found = getattr(module, "Preprocess", None)
        if found is None:
            raise AttributeError("'%s' has no class Preprocess" % os.path.basename(path))
        return found

    @staticmethod
    def _entry_of(folder):
        for name in ("__init__.py", "preprocess.py", "Preprocess.py"):
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        raise FileNotFoundError("the package has neither __init__.py nor preprocess.py")

    def _load_model(self, plan):
        path = plan.get("model_path")
        model = None
        load = getattr(self._user, "load", None)
        if load is not None:
            model = load(path)
            if inspect.isawaitable(model):
                model = self._loop.run_until_complete(model) if self._loop is not None else asyncio.run(await_it(model))
        if self._engine == "triton":
            self._server_model = engines.ServerModel(plan["model_name"], plan["inputs"], plan["outputs"])
        elif self._engine in engines.LOADERS and model is None:
            if path is None:
                raise ValueError("the endpoint has no model, which engine '%s' needs" % self._engine)
            if self._engine == "lightgbm" and plan.get("model_name") and importlib.util.find_spec("lightgbm") is None:
                return engines.ServedForest(plan["model_name"], path, self._baton.outside)
            model = engines.LOADERS[self._engine](path)
        return model

    def _on_readable(self):
        frames = self.worker.reader.read()
        for kind, data in frames if frames is not None else ((wire.STOP, b""),):
            if kind == wire.ENDPOINT_CALL:
                self._loop.create_task(self._call_async(bodies.read_call(self.worker, data)))
            elif not self._handle(kind, data):
                self._loop.stop()
                return

    def _handle(self, kind, data):
        if kind == wire.ENDPOINT_CALL:
            self._call(bodies.read_call(self.worker, data))
        elif kind == wire.FREE:
            for at in range(8, len(data), 8):
                self.worker.heap.take_back(wire.U64.unpack_from(data, at)[0])
        elif kind == wire.STOP:
            if self._loop is None:
                self._unload()
            return False
        return True

    def _begin(self, call):
        """False when nobody waits for the answer any more."""
        if self.worker.control[call.slot]:
            bodies.send_reply(self.worker, call, CANCELLED, detail="the call was cancelled before it began")
            return False
        self.worker.control[STARTED_AT + call.slot] = 1
        self._depths.append(call.depth)
        _depth.set(call.depth)
        return True

    def _call(self, call):
        if not self._begin(call):
            return
        try:
            data, state, collect = self._body_of(call), {}, call.collector()
            data = self._hook("preprocess", data, state, collect)
            data = self._process(data, state, collect)
            result = self._hook("postprocess", data, state, collect)
            if bodies.is_streamed(result):
                result = asyncio.run(bodies.gather(result))
        except ENDS_OF_A_THREAD:
            raise
        except BaseException as error:
            self._fail(call, error)
            return
        finally:
            self._depths.remove(call.depth)
        bodies.send_result(self.worker, call, result)

    def _body_of(self, call):
        return call.body()

    def _hook(self, name, data, state, collect):
        method = getattr(self._user, name, None)
        if method is None:
            return data
        result = method(data, state, collect)
        return asyncio.run(await_it(result)) if inspect.isawaitable(result) else result

    def _process(self, data, state, collect):
        if self._server_model is not None:
            method = getattr(self._user, "process", None)
            if method is not None:
                return self._hook("process", data, state, collect)
            request = self._server_model.request(data)
            return self._server_model.result(self._baton.outside(request.exec))
        if self._engine in engines.LOADERS:
            return self._model.predict(data)
        if getattr(self._user, "process", None) is None:
            return None
        return self._hook("process", data, state, collect)

    async def _call_async(self, call):
        if not self._begin(call):
            return
        try:
            data, state, collect = self._body_of(call), {}, call.collector()
            for name in ("preprocess", "process", "postprocess"):
                method = getattr(self._user, name, None)
                if method is None:
                    data = None if name == "process" else data
                    continue
                data = method(data, state, collect)
                if inspect.isawaitable(data):
                    data = await data
            if bodies.is_streamed(data):
                data = await bodies.gather(data)
        except ENDS_OF_A_THREAD:
            raise
        except BaseException as error:
            self._fail(call, error)
            return
        finally:
            self._depths.remove(call.depth)
        bodies.send_result(self.worker, call, data)

    def _fail(self, call, error):
        outcome = BAD_REQUEST if isinstance(error, ValueError) else RAISED
        if isinstance(error, engines.ModelFault):
            outcome = {
                pb_utils.TritonError.INVALID_ARG: BAD_REQUEST, pb_utils.TritonError.UNAVAILABLE: UNAVAILABLE,
                pb_utils.TritonError.NOT_FOUND: UNAVAILABLE, pb_utils.TritonError.CANCELLED: CANCELLED,
            }.get(error.code, FAILED)
        bodies.send_reply(self.worker, call, outcome, detail=faults.of_request(error), traceback=faults.full(error))

    def _request_frame(self, endpoint, version, data):
        depth = _depth.get()
        kind, content = bodies.encode_request(data)
        if depth is None:
            # A thread of the code's own: which call it works for is not known.
            depth = max(self._depths, default=0)
        head = depth.to_bytes(2, "little") + bytes((kind,))
        head += int(SEND_TIMEOUT_SECONDS * 1000).to_bytes(4, "little")
        for text in (str(endpoint), "" if version is None else str(version)):
            utf8 = text.encode("utf-8")
            head += len(utf8).to_bytes(2, "little") + utf8
        return lambda number: (wire.U32.pack(number), head, content)

    def _send(self, endpoint, version=None, data=None):
        """Calls another endpoint; None when it does not answer well."""
        frame = self._request_frame(endpoint, version, data)
        call = self.worker.calls.open(wire.SEND_CALL, frame)
        try:
            _, answer = self._baton.outside(call.next)
        finally:
            call.close()
        return bodies.decode_answer(answer)

    async def _send_async(self, endpoint, version=None, data=None):
        frame = self._request_frame(endpoint, version, data)
        call = self.worker.calls.open_async(wire.SEND_CALL, frame)
        try:
            _, answer = await call.next_async()
        finally:
            call.close()
        return bodies.decode_answer(answer)

    def _unload(self):
        end = getattr(self._user, "unload", None)
        if end is not None:
            try:
                result = end()
                if inspect.isawaitable(result):
                    (asyncio.run if self._loop is None else self._loop.run_until_complete)(await_it(result))
            except Exception as error:
                self.worker.log(2, "unload failed: %s" % faults.full(error))
        # Code may have a __del__ instead, and refer to itself.
        self._user = end = None
        gc.collect()
        self.worker.send(wire.STOPPED, b"{}")


async def await_it(awaitable):
    return await awaitable
