#!/usr/bin/python3
"""Writes the Python models that perf/python.sh measures: make_python_models.py FOLDER BODY

  noop     gives its input back, batches of up to 64
  digits   logistic regression on scikit-learn's digits

and BODY, a request of the second as JSON. Needs Debian's packages: scripts/install-test.sh --models.
"""

import json
import pathlib
import sys

import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

NOOP = '''
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", request.inputs()[0].as_numpy())]) for request in requests]
'''


def config(name, backend, inputs, outputs):
    return (f'name: "{name}"\nbackend: "{backend}"\nmax_batch_size: 64\ndynamic_batching {{ }}\n'
            f"input [ {{ {inputs} }} ]\noutput [ {{ {outputs} }} ]\ninstance_group [ {{ count: 1 kind: KIND_CPU }} ]\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    for name in ("noop", "digits"):
        (folder / name / "1").mkdir(parents=True)
    (folder / "noop/1/model.py").write_text(NOOP)
    (folder / "noop/config.pbtxt").write_text(config(
        "noop", "python", 'name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ]', 'name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ]'))
    rows, classes = load_digits(return_X_y=True)
    joblib.dump(LogisticRegression(max_iter=2000).fit(rows / 16, classes), folder / "digits/1/model.joblib")
    (folder / "digits/config.pbtxt").write_text('backend: "sklearn"\nmax_batch_size: 64\ndynamic_batching { }\n')
    pathlib.Path(sys.argv[2]).write_text(json.dumps({"inputs": [
        {"name": "input", "datatype": "FP64", "shape": [1, 64], "data": (rows[0] / 16).tolist()}]}))


if __name__ == "__main__":
    main()
