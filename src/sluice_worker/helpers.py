"""Functions of triton_python_backend_utils that need no server."""

import numpy as np

from . import tensors
from .errors import TritonModelException

_TO_NUMPY = {
    "TYPE_BOOL": bool, "TYPE_UINT8": np.uint8, "TYPE_UINT16": np.uint16, "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64, "TYPE_INT8": np.int8, "TYPE_INT16": np.int16, "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}


def get_input_tensor_by_name(inference_request, name):
    for tensor in inference_request._inputs:
        if tensor._name == name:
            return tensor
    return None


def get_output_tensor_by_name(inference_response, name):
    if inference_response.has_error():
        raise TritonModelException(inference_response.error().message())
    for tensor in inference_response.output_tensors():
        if tensor.name() == name:
            return tensor
    return None


def get_input_config_by_name(model_config, name):
    for tensor in model_config.get("input", ()):
        if tensor["name"] == name:
            return tensor
    return None


def get_output_config_by_name(model_config, name):
    for tensor in model_config.get("output", ()):
        if tensor["name"] == name:
            return tensor
    return None


def using_decoupled_model_transaction_policy(model_config):
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def triton_to_numpy_type(data_type):
    """The numpy type of one of the protocol's numbers or names."""
    if isinstance(data_type, str):
        return triton_string_to_numpy(data_type if data_type.startswith("TYPE_") else "TYPE_" + data_type)
    dtype = tensors.NUMPY[data_type]
    return np.object_ if data_type == tensors.BYTES else None if dtype is None else dtype.type


def numpy_to_triton_type(data_type):
    return tensors.code_of(np.dtype(data_type))


def triton_string_to_numpy(triton_type_string):
    return _TO_NUMPY[triton_type_string]


def serialize_byte_tensor(input_tensor):
    """Writes an array of strings with their lengths; an array of one bytes object, as the original has it."""
    if input_tensor.size == 0:
        return np.empty([0], dtype=np.object_)
    if input_tensor.dtype != np.object_ and input_tensor.dtype.type != np.bytes_:
        return None
    return np.asarray(tensors.serialize(input_tensor), dtype=np.object_)


def deserialize_bytes_tensor(encoded_tensor):
    return tensors.object_array(tensors.deserialize(encoded_tensor), (-1,))
