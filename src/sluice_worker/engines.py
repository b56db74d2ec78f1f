"""How each engine of ClearML endpoints loads a model and computes with it."""

import os

import numpy as np

from . import pb_utils


class ModelFault(Exception):
    """The server's model did not answer; `code` says why."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def only_file(path):
    """A model's folder that holds one file stands for it."""
    if path is not None and os.path.isdir(path):
        files = [name for name in os.listdir(path) if not name.startswith(".")]
        if len(files) == 1:
            return os.path.join(path, files[0])
    return path


def load_sklearn(path):
    from .sklearn_model import load_file
    return load_file(only_file(path))


def load_xgboost(path):
    import xgboost
    model = xgboost.Booster()
    model.load_model(only_file(path))
    return model


def load_lightgbm(path):
    import lightgbm
    return lightgbm.Booster(model_file=only_file(path))


def lightgbm_width(path):
    """Number of features that a model file was trained with; None when it does not say."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(b"max_feature_idx="):
                return int(line.split(b"=")[1]) + 1
            if line.startswith(b"Tree="):
                break
    return None


class LightGBMError(Exception):
    """The library's own."""


class ServedForest:
    """Stands for a LightGBM booster that the server runs itself, where Python has no such library."""

    def __init__(self, name, path, outside):
        self._name = name
        self._width = lightgbm_width(only_file(path))
        self._outside = outside

    def predict(self, data):
        rows = np.asarray(data, dtype=np.float64)
        if rows.ndim != 2:
            raise ValueError("Input numpy.ndarray or list must be 2 dimensional")
        # The server itself takes columns that are not there for missing values; the library refuses such rows.
        if self._width is not None and rows.shape[1] != self._width:
            raise LightGBMError("the data has %d features, the model was trained with %d" % (rows.shape[1], self._width))
        request = pb_utils.InferenceRequest(self._name, ["output__0"], [pb_utils.Tensor("input__0", rows)])
        response = self._outside(request.exec)
        if response.has_error():
            raise ModelFault(response.error().message(), response.error().code())
        scores = response.output_tensors()[0].as_numpy()
        return scores[:, 0] if scores.shape[1] == 1 else scores


LOADERS = {"sklearn": load_sklearn, "xgboost": load_xgboost, "lightgbm": load_lightgbm}


class ServerModel:
    """A model that the server runs itself: casts by the declared types, calls it in process."""

    def __init__(self, name, inputs, outputs):
        self._name = name
        self._inputs = inputs
        self._outputs = outputs

    def request(self, data):
        """Makes the request of what preprocess gave."""
        if len(self._inputs) > 1 and isinstance(data, dict):
            data = [data[entry["name"]] for entry in self._inputs]
        if not self._inputs:
            if not isinstance(data, dict):
                raise ValueError("the endpoint declares no inputs, so preprocess must return a dict of arrays by input name")
            tensors = [pb_utils.Tensor(name, np.asarray(value)) for name, value in data.items()]
        else:
            values = [data] if len(self._inputs) == 1 else list(data)
            if len(values) != len(self._inputs):
                raise ValueError("the endpoint declares %d inputs, preprocess returned %d" % (len(self._inputs), len(values)))
            tensors = [pb_utils.Tensor(entry["name"], cast(value, entry["type"])) for entry, value in zip(self._inputs, values)]
        return pb_utils.InferenceRequest(self._name, [entry["name"] for entry in self._outputs], tensors)

    def result(self, response):
        """Makes arrays of the answer: one alone, several in a list."""
        if response.has_error():
            raise ModelFault(response.error().message(), response.error().code())
        found = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        if not self._outputs:
            arrays = list(found.values())
        else:
            arrays = []
            for entry in self._outputs:
                array = found[entry["name"]]
                wanted = numpy_type(entry["type"])
                arrays.append(array if wanted is None or array.dtype == wanted else array.astype(wanted))
        return arrays[0] if len(arrays) == 1 else arrays


def numpy_type(name):
    """The declared type; None for strings and for no declaration."""
    if not name or name in ("string", "str", "bytes", "object", "uint"):
        return np.dtype(np.uint64) if name == "uint" else None
    return np.dtype(name)


def cast(value, name):
    array = np.asarray(value)
    wanted = numpy_type(name)
    if wanted is not None:
        return array.astype(wanted, copy=False)
    if array.dtype.kind in "SU":
        return array.astype(object)
    return array
