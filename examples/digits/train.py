#!/usr/bin/python3
"""Trains the demo's digits network and writes it, with ten sample digits, into this folder's neighbours.

The data is the set of 1,797 handwritten digits that scikit-learn carries (8 x 8 pixels, values 0..16). A fifth is held
out: it is never trained on, gives the accuracy recorded in the model, and is where the sample digits come from.

  examples/digits/train.py          train and write everything (some 15 seconds)
  examples/digits/train.py --check  verify that the committed model still has its recorded accuracy

Needs Debian's packages: scripts/install-test.sh --models.
"""

import argparse
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

FOLDER = pathlib.Path(__file__).resolve().parent
MODEL_FOLDER = FOLDER.parent / "models" / "digits"
MODEL_FILE = MODEL_FOLDER / "1" / "model.onnx"
SEED = 20240607
REQUIRED_ACCURACY = 0.97
INPUT, OUTPUT = "image", "probabilities"

CONFIG = f"""\
# Written by examples/digits/train.py. One 8 x 8 picture per row, pixels 0 (paper) to 16 (ink), row by row.
name: "digits"
backend: "onnxruntime"
max_batch_size: 32
input [
  {{ name: "{INPUT}" data_type: TYPE_FP32 dims: [ 64 ] }}
]
output [
  {{ name: "{OUTPUT}" data_type: TYPE_FP32 dims: [ 10 ] label_filename: "labels.txt" }}
]
dynamic_batching {{ }}
"""


def load_split():
    digits = load_digits()
    return train_test_split(digits.data, digits.target, test_size=0.2, random_state=SEED, stratify=digits.target)


def shifted(pixels, rows, columns):
    """Moves each picture by whole pixels; what leaves is lost, what enters is paper."""
    images = pixels.reshape(-1, 8, 8)
    moved = np.zeros_like(images)
    target = (slice(max(rows, 0), 8 + min(rows, 0)), slice(max(columns, 0), 8 + min(columns, 0)))
    source = (slice(max(-rows, 0), 8 + min(-rows, 0)), slice(max(-columns, 0), 8 + min(-columns, 0)))
    moved[:, target[0], target[1]] = images[:, source[0], source[1]]
    return moved.reshape(-1, 64)


def train(pixels, classes):
    """Pictures moved by one pixel in four directions make the small net robust to where the digit stands."""
    moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    all_pixels = np.concatenate([shifted(pixels, *move) for move in moves])
    all_classes = np.concatenate([classes] * len(moves))
    warnings.simplefilter("ignore", ConvergenceWarning)  # The number of passes is chosen, not run out of.
    network = MLPClassifier((128, 64), alpha=1e-3, batch_size=64, max_iter=60, random_state=SEED)
    return network.fit(all_pixels / 16.0, all_classes)


def build(network, accuracy):
    """The trained layers as a graph: scale, three dense layers, softmax."""
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    nodes.append(helper.make_node("Mul", [INPUT, constant("scale", 1 / 16)], ["scaled"]))
    current, last = "scaled", len(network.coefs_) - 1
    for i, (weights, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
        inputs = [current, constant(f"weights{i}", weights), constant(f"bias{i}", bias)]
        nodes.append(helper.make_node("Gemm", inputs, [f"dense{i}"]))
        current = f"dense{i}"
        if i < last:
            nodes.append(helper.make_node("Relu", [current], [f"active{i}"]))
            current = f"active{i}"
    nodes.append(helper.make_node("Softmax", [current], [OUTPUT], axis=1))

    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 10])],
        constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="examples/digits")
    model.ir_version = 8
    helper.set_model_props(model, {"test_accuracy": f"{accuracy:.6f}", "seed": str(SEED)})
    onnx.checker.check_model(model)
    return model


def evaluate(model, pixels):
    """Computes the saved graph itself, operator by operator, in float32; any operator but ours is an error."""
    values = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    values[INPUT] = np.asarray(pixels, np.float32)
    for node in model.graph.node:
        inputs = [values[name] for name in node.input]
        if node.op_type == "Mul":
            result = inputs[0] * inputs[1]
        elif node.op_type == "Gemm":
            result = inputs[0] @ inputs[1] + inputs[2]
        elif node.op_type == "Relu":
            result = np.maximum(inputs[0], 0)
        elif node.op_type == "Softmax":
            powers = np.exp(inputs[0] - inputs[0].max(axis=1, keepdims=True))
            result = powers / powers.sum(axis=1, keepdims=True)
        else:
            raise ValueError(f"unexpected operator {node.op_type}")
        values[node.output[0]] = result
    return values[OUTPUT]


def write_samples(pixels, classes):
    """The first held-out picture of each class, as the body of a v2 HTTP infer request."""
    for digit in range(10):
        row = pixels[classes == digit][0]
        body = {
            "id": f"digit-{digit}",
            "inputs": [{"name": INPUT, "shape": [1, 64], "datatype": "FP32", "data": [int(p) for p in row]}],
            "outputs": [{"name": OUTPUT}],
        }
        (FOLDER / f"digit-{digit}.json").write_text(json.dumps(body) + "\n")


def accuracy_of(model, pixels, classes):
    return float((evaluate(model, pixels).argmax(axis=1) == classes).mean())


def check():
    _, test_pixels, _, test_classes = load_split()
    model = onnx.load(str(MODEL_FILE))
    recorded = float({p.key: p.value for p in model.metadata_props}["test_accuracy"])
    actual = accuracy_of(model, test_pixels, test_classes)
    wrong = []
    for digit in range(10):
        body = json.loads((FOLDER / f"digit-{digit}.json").read_text())
        if evaluate(model, [body["inputs"][0]["data"]]).argmax() != digit:
            wrong.append(digit)
    print(f"recorded accuracy {recorded:.4f}, actual {actual:.4f}, wrong samples {wrong or 'none'}")
    return abs(actual - recorded) < 1e-6 and actual >= REQUIRED_ACCURACY and not wrong


def write():
    train_pixels, test_pixels, train_classes, test_classes = load_split()
    network = train(train_pixels, train_classes)
    accuracy = accuracy_of(build(network, 0), test_pixels, test_classes)
    print(f"accuracy on {len(test_classes)} held-out digits: {accuracy:.4f}")
    if accuracy < REQUIRED_ACCURACY:
        sys.exit(f"accuracy {accuracy:.4f} is below {REQUIRED_ACCURACY}; nothing written")
    MODEL_FILE.parent.mkdir(parents=True, exist_ok=True)
    MODEL_FILE.write_bytes(build(network, accuracy).SerializeToString(deterministic=True))
    (MODEL_FOLDER / "config.pbtxt").write_text(CONFIG)
    (MODEL_FOLDER / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    write_samples(test_pixels, test_classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="verify the committed model instead of training one")
    if parser.parse_args().check:
        sys.exit(0 if check() else 1)
    write()


if __name__ == "__main__":
    main()
