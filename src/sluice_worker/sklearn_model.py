"""Serves what scikit-learn saved, as a Python model: rows in, what `predict` and its kin say out."""

import json

import numpy as np

from . import pb_utils, tensors

path = None  # The model's file, set before the class is used.

# What a file may be asked, in the order in which the outputs are listed.
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")


def load_file(file):
    """Opens a file that joblib or pickle wrote."""
    try:
        import joblib
        return joblib.load(file)
    except ModuleNotFoundError as error:
        if error.name != "joblib":
            raise
        import pickle
        with open(file, "rb") as stream:
            return pickle.load(stream)


def has_method(model, name):
    try:
        return callable(getattr(model, name))
    except AttributeError:
        return False
    except Exception:
        return False


def method_of(name, model):
    """The method behind an output's name; an unknown name is the prediction."""
    plain = name.lower()
    for method, names in (
            ("predict_proba", ("predict_proba", "probabilities", "probability", "proba")),
            ("decision_function", ("decision_function", "decision", "scores")),
            ("score_samples", ("score_samples",)), ("transform", ("transform",))):
        if plain in names and has_method(model, method):
            return method
    return "predict"


def as_array(result):
    """Several outputs' probabilities come as a list."""
    if isinstance(result, (list, tuple)):
        result = np.stack([np.asarray(part) for part in result], axis=1)
    if hasattr(result, "toarray"):
        result = result.toarray()
    return np.asarray(result)


def describe(model):
    """Tries the model on a row of zeros; returns (features, [(method, numpy type, dims)])."""
    features = getattr(model, "n_features_in_", None)
    outputs = []
    for method in METHODS:
        if not has_method(model, method):
            continue
        dtype, dims = np.dtype(np.float64), [-1]
        if features is not None:
            try:
                result = as_array(getattr(model, method)(np.zeros((2, features))))
                dtype, dims = result.dtype, list(result.shape[1:])
            except Exception:
                if method != "predict":
                    continue
        outputs.append((method, dtype, dims))
    return features, outputs


def type_name(dtype):
    code = tensors.code_of(dtype)
    return "TYPE_STRING" if code == tensors.BYTES else "TYPE_" + tensors.NAMES[code]


class TritonPythonModel:
    """One estimator. Requests of a batch are put together, so that the library is called once."""

    @staticmethod
    def auto_complete_config(config):
        model = load_file(path)
        if not any(has_method(model, method) for method in METHODS):
            raise TypeError("the file holds a %s, which has none of the methods %s" % (type(model).__name__, ", ".join(METHODS)))
        given = config.as_dict()
        is_written = bool(given.get("input")) or bool(given.get("output"))
        features, outputs = describe(model)
        batches = given.get("max_batch_size", 0) > 0 or not is_written
        if not is_written:
            config.set_max_batch_size(given.get("max_batch_size", 0) or 8192)
            if "sequence_batching" not in given:
                config.set_dynamic_batching()
        lead = [] if batches else [-1]
        if not given.get("input"):
            config.add_input({"name": "input", "data_type": "TYPE_FP64", "dims": lead + [features or -1]})
        if not given.get("output"):
            for method, dtype, dims in outputs:
                config.add_output({"name": method, "data_type": type_name(dtype), "dims": lead + (dims or [1])})
                if not dims and batches:
                    given["output"][-1]["reshape"] = {"shape": []}
            given.setdefault("parameters", {})["SLUICE_ALL_OUTPUTS"] = {"string_value": "no"}
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.model = load_file(path)
        self.outputs = [(output["name"], method_of(output["name"], self.model), output) for output in config["output"]]
        self.by_name = {name: (name, method, output) for name, method, output in self.outputs}
        parameters = config.get("parameters", {})
        # Without a wish of the client, only the prediction is computed, unless the operator listed the outputs.
        self.default = self.outputs
        if parameters.get("SLUICE_ALL_OUTPUTS", {}).get("string_value") == "no":
            self.default = self.outputs[:1]
        self.batches = config.get("max_batch_size", 0) > 0
        self.input_count = len(config["input"])

    def execute(self, requests):
        answers = [None] * len(requests)
        groups = {}
        for index, request in enumerate(requests):
            wanted = self.default if request._requested is None else [self.by_name[name] for name in request._requested]
            data = self.rows_of(request)
            groups.setdefault((tuple(name for name, _, _ in wanted), data.shape[1:], data.dtype.char), []).append((index, data, wanted))
        for members in groups.values():
            self.run(members, answers)
        return answers

    def rows_of(self, request):
        if self.input_count == 1:
            return request._inputs[0].as_numpy()
        columns = [tensor.as_numpy() for tensor in request._inputs]
        return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)

    def run(self, members, answers):
        data = members[0][1] if len(members) == 1 else np.concatenate([rows for _, rows, _ in members])
        try:
            results = [self.compute(data, method, output) for _, method, output in members[0][2]]
        except Exception as error:
            if len(members) > 1:
                # One request's rows must not cost the others their answers.
                for member in members:
                    self.run([member], answers)
                return
            code = pb_utils.TritonError.INVALID_ARG if isinstance(error, (ValueError, TypeError)) else pb_utils.TritonError.INTERNAL
            answers[members[0][0]] = pb_utils.InferenceResponse(
                error=pb_utils.TritonError("%s: %s" % (type(error).__name__, error), code))
            return
        start = 0
        for index, rows, wanted in members:
            count = len(rows)
            answers[index] = pb_utils.InferenceResponse([
                pb_utils.Tensor(name, result[start:start + count]) for (name, _, _), result in zip(wanted, results)])
            start += count

    def compute(self, data, method, output):
        result = as_array(getattr(self.model, method)(data))
        wanted = pb_utils.triton_string_to_numpy(output["data_type"])
        if wanted is np.object_:
            if result.dtype.kind not in "OSU":
                result = result.astype(str).astype(object)
            return result.astype(object)
        if result.dtype != wanted:
            result = result.astype(wanted)
        if result.ndim == 1 and "reshape" not in output and output["dims"] == ([1] if self.batches else [-1, 1]):
            result = result.reshape(-1, 1)
        return result
