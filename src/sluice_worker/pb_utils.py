"""What Python models import as `triton_python_backend_utils`."""

import json

import numpy as np

from . import dlpack, tensors
from .errors import TritonError, TritonModelException, text_of
from .helpers import (  # noqa: F401  Part of the interface.
    deserialize_bytes_tensor, get_input_config_by_name, get_input_tensor_by_name, get_output_config_by_name,
    get_output_tensor_by_name, numpy_to_triton_type, serialize_byte_tensor, triton_string_to_numpy, triton_to_numpy_type,
    using_decoupled_model_transaction_policy)
from .model_config import ModelConfig  # noqa: F401  Part of the interface.
from .services import (  # noqa: F401  Part of the interface.
    Logger, LogLevel, Metric, MetricFamily, is_model_ready, load_model, unload_model)

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_RELEASE_ALL = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = 2
TRITONSERVER_REQUEST_RESCHEDULE = 2
TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_CPU_PINNED = 1
TRITONSERVER_MEMORY_GPU = 2

_worker = None  # The process's Worker, set before any model is imported.


def parameters_as_sent(text):
    """The bytes of parameters that the server reads: JSON, where the words that only Python takes for numbers are texts."""
    words = []
    given = json.loads(text, parse_constant=lambda word: words.append(word) or word)
    if not isinstance(given, dict):
        raise ValueError("they are no JSON object")
    return (json.dumps(given) if words else text).encode("utf-8")


def _parameters_as_text(parameters):
    """The JSON of a response's parameters, of which each is one that clients can be sent."""
    for key, value in parameters.items():
        if not isinstance(key, str):
            raise TritonModelException("Expect parameters keys to have type str, found type %s" % type(key))
        if not isinstance(value, (bool, int, str)):
            raise TritonModelException("Expect parameters values to have type bool/int/str, found type %s" % type(value))
    return json.dumps(parameters)


class PreferredMemory:
    """Where a caller would like outputs; here everything is in the CPU's memory."""

    def __init__(self, preferred_memory_type, preferred_device_id=0):
        self.type = preferred_memory_type
        self.device_id = preferred_device_id


class InferenceTrace:
    """The trace of a request; made by the server, so only its context can be read."""

    def __init__(self, context=""):
        self._context = context

    def get_context(self):
        return self._context


class Tensor:
    """A named array."""

    __slots__ = ("_name", "_array", "_stored", "_code")

    def __init__(self, name, array):
        if not isinstance(array, np.ndarray):
            if isinstance(array, np.generic):
                array = np.asarray(array)
            else:
                raise TypeError("tensor '%s' must be made from a numpy array, not from %s" % (name, type(array).__name__))
        self._name = _name_of(name)
        self._code = tensors.code_of(array.dtype)
        self._array = array
        self._stored = None

    @classmethod
    def _of(cls, name, stored):
        tensor = cls.__new__(cls)
        tensor._name = name
        tensor._array = None
        tensor._stored = stored
        tensor._code = stored.dtype
        return tensor

    def name(self):
        return self._name

    def as_numpy(self):
        if self._code == tensors.BF16:
            raise TritonModelException(
                "Tensor dtype is BF16 and cannot be converted to NumPy. Use to_dlpack() and from_dlpack() instead.")
        return self._elements()

    def _elements(self):
        """The elements as they are sent; those of BF16 as words of 16 bits."""
        if self._array is None:
            try:
                self._array = self._stored.array()
            except TypeError as error:
                raise TritonModelException("tensor '%s': %s" % (self._name, error)) from None
        return self._array

    def shape(self):
        return list(self._stored.shape if self._array is None else self._array.shape)

    def triton_dtype(self):
        return "TYPE_STRING" if self._code == tensors.BYTES else "TYPE_" + tensors.NAMES[self._code]

    def is_cpu(self):
        return True

    def memory_type(self):
        return TRITONSERVER_MEMORY_CPU

    def memory_type_id(self):
        return 0

    def to_dlpack(self):
        if self._code == tensors.BYTES:
            raise TritonModelException("DLPack does not have support for string tensors.")
        return dlpack.export(self._elements(), is_bf16=self._code == tensors.BF16)

    def __dlpack__(self, *, stream=None, **kwargs):
        return self.to_dlpack()

    def __dlpack_device__(self):
        return (1, 0)

    @staticmethod
    def from_dlpack(name, tensor):
        """Makes a tensor of another library's one, or of a capsule, without a copy."""
        name = _name_of(name)
        array, is_bf16 = (tensor, False) if isinstance(tensor, np.ndarray) else dlpack.take(_capsule_of(name, tensor))
        if not array.flags.c_contiguous:
            raise TritonModelException(
                "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are stored in C-Order are supported.")
        made = Tensor(name, array)
        if is_bf16:
            made._code = tensors.BF16
        return made

    def _release(self):
        """Gives up shared memory; returns the array that views of it hang on, when there is one."""
        if self._stored is None:
            return None
        self._array = None
        return self._stored.take_root()


def _capsule_of(name, tensor):
    if hasattr(tensor, "__dlpack__"):
        device = tensor.__dlpack_device__()[0] if hasattr(tensor, "__dlpack_device__") else 1
        if int(device) not in (1, 3):
            raise TritonModelException("tensor '%s' is not in the CPU's memory" % name)
        tensor = tensor.__dlpack__()
    if type(tensor).__name__ != "PyCapsule":
        raise TritonModelException("tensor '%s' cannot be made from %s, which has no DLPack form" % (name, type(tensor).__name__))
    return tensor


def _name_of(name):
    name = text_of("name", name)
    if not name:
        raise TritonModelException("Tensor name cannot be an empty string.")
    return name


def _check(argument, value, *kinds):
    """What the original's interface refuses by its type is refused here."""
    if not isinstance(value, kinds):
        raise TypeError("%s must be %s, not %s" % (
            argument, " or ".join(kind.__name__ for kind in kinds), type(value).__name__))


class InferenceResponse:
    """An answer: tensors, or an error."""

    __slots__ = ("_tensors", "_error", "_parameters", "_final", "_call")

    def __init__(self, output_tensors=(), error=None, parameters=""):
        if error is not None and not isinstance(error, TritonError):
            error = TritonError(str(error))
        if isinstance(parameters, dict):
            parameters = _parameters_as_text(parameters)
        elif parameters is not None and not isinstance(parameters, str):
            raise TritonModelException("Expect response parameters to be a dict or a JSON string, got %s" % type(parameters))
        if output_tensors is None and error is None:
            raise TypeError("output_tensors must be a list of tensors, not None")
        self._tensors = list(output_tensors or ())
        self._error = error
        self._parameters = parameters or ""
        self._final = True
        self._call = None
        if error is None:
            for tensor in self._tensors:
                if not isinstance(tensor, Tensor):
                    raise TritonModelException("output_tensors must hold pb_utils.Tensor, not %s" % type(tensor).__name__)

    def output_tensors(self):
        return self._tensors

    def has_error(self):
        return self._error is not None

    def error(self):
        return self._error

    def parameters(self):
        return self._parameters

    def cancel(self):
        if self._call is not None:
            self._call.cancel()


class InferenceRequest:
    """A request: one that the server sent, or one to another model."""

    __slots__ = ("_inputs", "_id", "_correlation", "_flags", "_timeout", "_parameters", "_requested", "_slot", "_state",
                 "_model", "_version", "_trace", "_memory", "_index", "_release_flags")

    def __init__(self, model_name, requested_output_names, inputs, request_id="", correlation_id=0, model_version=-1,
                 flags=0, timeout=0, preferred_memory=None, trace=None, parameters=None):
        _check("correlation_id", correlation_id, int, str, np.integer)
        _check("model_version", model_version, int, np.integer)
        _check("flags", flags, int, np.integer)
        self._model = text_of("model_name", model_name)
        self._requested = [text_of("requested_output_names", name) for name in requested_output_names]
        self._inputs = list(inputs)
        self._id = text_of("request_id", request_id)
        self._correlation = correlation_id
        self._version = model_version
        self._flags = flags
        self._timeout = timeout
        self._memory = preferred_memory or PreferredMemory(TRITONSERVER_MEMORY_CPU)
        self._trace = trace or InferenceTrace()
        if parameters is not None and not isinstance(parameters, (dict, str)):
            raise TritonModelException("request parameters must be a dict or a JSON string")
        self._parameters = json.dumps(parameters) if isinstance(parameters, dict) else parameters or ""
        self._slot = -1
        self._state = None
        self._index = 0
        self._release_flags = TRITONSERVER_REQUEST_RELEASE_ALL
        for tensor in self._inputs:
            if not isinstance(tensor, Tensor):
                raise TritonModelException("inputs must hold pb_utils.Tensor, not %s" % type(tensor).__name__)

    def inputs(self):
        return self._inputs

    def model_name(self):
        return self._model if self._model is not None else _worker.model_name

    def request_id(self):
        return self._id

    def correlation_id(self):
        return self._correlation

    def flags(self):
        return self._flags

    def set_flags(self, flags):
        self._flags = flags

    def timeout(self):
        return self._timeout

    def parameters(self):
        """A JSON object as text; a request that came without parameters has an empty one."""
        return self._parameters or ("{}" if self._slot >= 0 else "")

    def trace(self):
        return self._trace

    def preferred_memory(self):
        return self._memory

    def requested_output_names(self):
        if self._requested is None:
            return list(_worker.output_names)
        return self._requested

    def is_cancelled(self):
        return self._slot >= 0 and _worker.is_cancelled(self)

    def set_release_flags(self, flags):
        if flags & TRITONSERVER_REQUEST_RELEASE_RESCHEDULE and self._state is not None:
            self._state.is_rescheduling = True
        self._release_flags = flags

    def get_response_sender(self):
        if self._state is None:
            raise TritonModelException("only requests from the server have a response sender")
        return self._state.sender(self._index)

    def exec(self, decoupled=False):
        """Runs the request on its model; one response, or an iterator over them when `decoupled`."""
        answers = _worker.infer(self, decoupled)
        return answers if decoupled else next(answers)

    async def async_exec(self, decoupled=False):
        """As exec, without blocking the event loop while the first response is made."""
        answers = await _worker.infer_async(self, decoupled).begun()
        return answers if decoupled else next(answers)


class InferenceResponseSender:
    """The way back of one request's responses. Threads: any."""

    __slots__ = ("_state", "_index")

    def __init__(self, state, index):
        self._state = state
        self._index = index

    def send(self, response=None, flags=0):
        self._state.send(self._index, response, flags)

    def is_cancelled(self):
        return self._state.is_cancelled(self._index)


def empty(shape, dtype):
    """An array in the memory shared with the server: filled and sent as an output, it is not copied. Not part of the
    original's interface."""
    return _worker.heap.empty(shape, dtype)


def get_model_dir():
    return _worker.version_folder
