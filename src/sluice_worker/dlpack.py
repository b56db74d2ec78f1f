"""DLPack capsules of types that numpy does not pass on itself: BF16, which it does not have, and booleans.

The type is a field of the capsule's struct, so such a tensor is handed to numpy as whole numbers of the same size.
"""

import ctypes

import numpy as np

UNSIGNED, BF16, BOOL = 1, 4, 6


class _Type(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    """The head of `DLTensor`, with which a `DLManagedTensor` begins."""

    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("rank", ctypes.c_int32), ("type", _Type)]


class _Capsule:
    """What numpy takes a tensor from."""

    def __init__(self, capsule):
        self._capsule = capsule

    def __dlpack__(self, **kwargs):
        return self._capsule

    def __dlpack_device__(self):
        return (1, 0)


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _type_of(capsule):
    return _Tensor.from_address(_pointer_of(capsule, b"dltensor")).type


def export(array, is_bf16=False):
    """Makes a capsule over an array; `is_bf16` tells that its words of 16 bits are BF16. One that may not be written is copied."""
    if not array.flags.writeable:
        array = array.copy()
    if not is_bf16 and array.dtype != bool:
        return array.__dlpack__()
    capsule = (array if is_bf16 else array.view(np.uint8)).__dlpack__()
    _type_of(capsule).code = BF16 if is_bf16 else BOOL
    return capsule


def take(capsule):
    """Makes an array over a capsule's tensor, which the capsule gives up; returns it and whether its words are BF16."""
    found = _type_of(capsule)
    code, bits = found.code, found.bits
    if code in (BF16, BOOL):
        found.code = UNSIGNED
    array = np.from_dlpack(_Capsule(capsule))
    if code == BOOL and bits == 8:
        array = array.view(bool)
    return array, code == BF16
