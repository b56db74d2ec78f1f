import asyncio
import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Uses what else there is of triton_python_backend_utils."""

    def initialize(self, args):
        self.counter = pb_utils.MetricFamily("py_calls_total", "Calls", pb_utils.MetricFamily.COUNTER).Metric({"kind": "any"})
        self.times = pb_utils.MetricFamily("py_calls_seconds", "Times", pb_utils.MetricFamily.HISTOGRAM).Metric({}, [0.1, 1])
        self.kept = []

    def execute(self, requests):
        self.counter.increment(1)
        return [self.one(request) for request in requests]

    def one(self, request):
        what = pb_utils.get_input_tensor_by_name(request, "WHAT").as_numpy()[0].decode()
        try:
            value = getattr(self, what)()
        except pb_utils.TritonModelException as error:
            value = "refused: %s" % error
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("OUT", np.array([json.dumps(value)], dtype=object))],
            parameters='{"kind": "of model", "n": 3, "real": 2.0, "none": NaN}')

    def metrics(self):
        self.times.observe(0.5)
        return self.counter.value()

    def negative(self):
        self.counter.increment(-1)

    def parameters(self):
        def ask(parameters):
            rows = [pb_utils.Tensor("IN", np.zeros(1, np.float32))]
            try:
                response = pb_utils.InferenceRequest("py_identity", ["OUT"], rows, parameters=parameters).exec()
                return response.has_error()
            except pb_utils.TritonModelException as error:
                return str(error)

        return [ask({"a": float("nan"), "b": 1}), ask('{"a": -Infinity}'), ask("[1]"), ask('{"a": %s}' % ("[" * 100 + "]" * 100))]

    def ready(self):
        return [pb_utils.is_model_ready("py_add_sub"), pb_utils.is_model_ready("no_such_model")]

    def texts(self):
        """Text may be bytes, as elements of string tensors are."""
        rows = [pb_utils.Tensor(b"IN", np.zeros(1, np.float32))]
        response = pb_utils.InferenceRequest(b"py_identity", [b"OUT"], rows, request_id=b"7").exec()
        pb_utils.Logger.log_info(b"a line of bytes")
        return [response.has_error(), rows[0].name(), pb_utils.is_model_ready(b"py_add_sub", b"1"), pb_utils.TritonError(b"words").message()]

    def load(self):
        pb_utils.load_model("py_add_sub")

    def decoupled(self):
        request = pb_utils.InferenceRequest("py_repeat", ["OUT"], [pb_utils.Tensor("IN", np.arange(100, dtype=np.int32))])
        return self.values(request.exec(decoupled=True))[:-1]

    def values(self, responses):
        """The value of each response; null for one without outputs."""
        found = [pb_utils.get_output_tensor_by_name(response, "OUT") for response in responses]
        return [None if tensor is None else int(tensor.as_numpy()[0]) for tensor in found]

    def loops(self):
        """A response of no outputs ends those of a decoupled model; a second loop has all of them again."""
        request = pb_utils.InferenceRequest("py_repeat", ["OUT"], [pb_utils.Tensor("IN", np.arange(2, dtype=np.int32))])
        responses = request.exec(decoupled=True)

        async def plain():
            both = await asyncio.gather(request.async_exec(decoupled=True), request.async_exec(decoupled=True))
            return [self.values(each) for each in both]

        async def asynchronous():
            return self.values([response async for response in await request.async_exec(decoupled=True)])

        return [self.values(responses), self.values(responses), asyncio.run(plain()), asyncio.run(asynchronous())]

    def single(self):
        """A model that is not decoupled has one response for whoever asks for many."""
        request = pb_utils.InferenceRequest("py_identity", ["OUT"], [pb_utils.Tensor("IN", np.full(1, 7, np.float32))])
        return self.values(request.exec(decoupled=True))

    def arguments(self):
        """Which kind of error each wrong argument is."""
        tensor, name = pb_utils.Tensor("A", np.zeros(1, np.float32)), ["OUT"]
        attempts = [
            lambda: pb_utils.Tensor("A", [1.0]), lambda: pb_utils.Tensor(None, np.zeros(1)), lambda: pb_utils.Tensor("", np.zeros(1)),
            lambda: pb_utils.Tensor.from_dlpack("A", None), lambda: pb_utils.InferenceRequest(None, name, [tensor]),
            lambda: pb_utils.InferenceRequest("m", [None], [tensor]), lambda: pb_utils.InferenceRequest("m", name, [None]),
            lambda: pb_utils.InferenceRequest("m", name, [tensor], correlation_id=None),
            lambda: pb_utils.InferenceResponse(None), lambda: pb_utils.InferenceResponse([None]),
            lambda: pb_utils.InferenceResponse([], parameters=[]), lambda: pb_utils.InferenceResponse([], parameters={"a": 0.5}),
            lambda: pb_utils.InferenceResponse([], parameters={1: 1}), lambda: pb_utils.Logger.log("text", 1),
            lambda: pb_utils.Logger.log_warn(None), lambda: pb_utils.Logger.log("text", pb_utils.Logger.LogLevel.VERBOSE)]
        kinds = []
        for attempt in attempts:
            try:
                attempt()
                kinds.append("")
            except Exception as error:
                kinds.append(type(error).__name__[:4])
        return " ".join(kinds)

    def threads(self):
        sums = [None] * 16

        def add(number):
            rows = [pb_utils.Tensor(name, np.full(4, number, np.float32)) for name in ("INPUT0", "INPUT1")]
            response = pb_utils.InferenceRequest("py_add_sub", ["OUTPUT0"], rows).exec()
            sums[number] = float(pb_utils.get_output_tensor_by_name(response, "OUTPUT0").as_numpy()[0])

        threads = [threading.Thread(target=add, args=(number,)) for number in range(len(sums))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sums

    def large(self):
        values = np.random.rand(1 << 20).astype(np.float32)
        response = pb_utils.InferenceRequest("py_identity", ["OUT"], [pb_utils.Tensor("IN", values)]).exec()
        self.kept.append(pb_utils.get_output_tensor_by_name(response, "OUT").as_numpy())
        return bool((self.kept[-1] == values).all())

    def dlpack(self):
        tensor = pb_utils.Tensor("A", np.arange(6, dtype=np.int32).reshape(2, 3))
        copy = pb_utils.Tensor.from_dlpack("B", tensor)
        capsule = pb_utils.Tensor.from_dlpack("C", tensor.to_dlpack())
        return [copy.as_numpy().tolist(), capsule.as_numpy().tolist(), tensor.__dlpack_device__()[0]]

    def logs(self):
        pb_utils.Logger.log_info("a line of the model")
        return "logged"
