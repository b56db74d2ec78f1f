#!/usr/bin/python3
"""Writes the model repository that perf/compare.sh measures with: perf/make_models.py FOLDER

  add_sub    OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1 on INT32[16]; one request per run
  identity   OUTPUT0 = INPUT0 on FP32[-1]; any size
  mlp        dense 64-256-256-10, batched dynamically up to 64
  cnn        three convolutions on FP32[3,64,64], 41 million multiply-adds a picture; one request per run
  resnet50   the classic of that name on FP32[3,224,224], normalisation folded into its 53 convolutions; one per run

The weights are random with a fixed seed: only the time matters.
Needs Debian's packages: scripts/install-test.sh --models.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ONNX_TYPES = {"INT32": TensorProto.INT32, "FP32": TensorProto.FLOAT}
RANDOM = np.random.default_rng(7)


def weights(name, *shape):
    """He-scaled, so that values keep their size from layer to layer."""
    scale = np.sqrt(2 / np.prod(shape[1:] if len(shape) == 4 else shape[:1]))
    return numpy_helper.from_array((RANDOM.standard_normal(shape) * scale).astype(np.float32), name)


def tensor_config(kind, tensors):
    lines = (f'  {{ name: "{name}" data_type: TYPE_{datatype} dims: [ {", ".join(map(str, dims))} ] }}'
             for name, datatype, dims in tensors)
    return f"{kind} [\n" + ",\n".join(lines) + "\n]\n"


def write(folder, name, inputs, outputs, nodes, constants=(), max_batch_size=8, extra=""):
    def values(tensors):
        return [helper.make_tensor_value_info(n, ONNX_TYPES[t], ["batch", *("n" if d < 0 else d for d in dims)])
                for n, t, dims in tensors]

    graph = helper.make_graph(nodes, name, values(inputs), values(outputs), list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="perf/make_models")
    model.ir_version = 8
    onnx.checker.check_model(model)
    version = folder / name / "1"
    version.mkdir(parents=True, exist_ok=True)
    (version / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    config = f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {max_batch_size}\n'
    config += tensor_config("input", inputs) + tensor_config("output", outputs) + extra
    (folder / name / "config.pbtxt").write_text(config)


def write_add_sub(folder):
    inputs = [("INPUT0", "INT32", [16]), ("INPUT1", "INT32", [16])]
    outputs = [("OUTPUT0", "INT32", [16]), ("OUTPUT1", "INT32", [16])]
    nodes = [helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
             helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])]
    write(folder, "add_sub", inputs, outputs, nodes)


def write_identity(folder):
    write(folder, "identity", [("INPUT0", "FP32", [-1])], [("OUTPUT0", "FP32", [-1])],
          [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])])


def write_mlp(folder):
    sizes = [64, 256, 256, 10]
    nodes, constants, current = [], [], "INPUT0"
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        last = i == len(sizes) - 2
        constants += [weights(f"w{i}", rows, columns),
                      numpy_helper.from_array(np.zeros(columns, np.float32), f"b{i}")]
        nodes.append(helper.make_node("Gemm", [current, f"w{i}", f"b{i}"], ["OUTPUT0" if last else f"dense{i}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"dense{i}"], [f"active{i}"]))
        current = f"active{i}"
    write(folder, "mlp", [("INPUT0", "FP32", [64])], [("OUTPUT0", "FP32", [10])], nodes, constants,
          max_batch_size=64, extra="dynamic_batching { }\n")


def write_cnn(folder):
    nodes, constants, current = [], [], "INPUT0"
    for i, (inputs, outputs, stride) in enumerate([(3, 32, 1), (32, 64, 2), (64, 128, 2)]):
        constants.append(weights(f"w{i}", outputs, inputs, 3, 3))
        nodes += [helper.make_node("Conv", [current, f"w{i}"], [f"conv{i}"], kernel_shape=[3, 3],
                                   strides=[stride, stride], pads=[1, 1, 1, 1]),
                  helper.make_node("Relu", [f"conv{i}"], [f"active{i}"])]
        current = f"active{i}"
    constants.append(weights("w3", 128, 10))
    nodes += [helper.make_node("GlobalAveragePool", [current], ["pooled"]),
              helper.make_node("Flatten", ["pooled"], ["flat"]),
              helper.make_node("MatMul", ["flat", "w3"], ["OUTPUT0"])]
    write(folder, "cnn", [("INPUT0", "FP32", [3, 64, 64])], [("OUTPUT0", "FP32", [10])], nodes, constants)


def write_resnet50(folder):
    """He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, table 1, 50 layers."""
    nodes, constants = [], []

    def conv(source, inputs, outputs, kernel, stride=1, active=True):
        i = len(constants)
        constants.append(weights(f"w{i}", outputs, inputs, kernel, kernel))
        nodes.append(helper.make_node("Conv", [source, f"w{i}"], [f"conv{i}"], kernel_shape=[kernel] * 2,
                                      strides=[stride] * 2, pads=[kernel // 2] * 4))
        return relu(f"conv{i}") if active else f"conv{i}"

    def relu(source):
        nodes.append(helper.make_node("Relu", [source], [f"{source}_active"]))
        return f"{source}_active"

    current = conv("INPUT0", 3, 64, 7, 2)
    nodes.append(helper.make_node("MaxPool", [current], ["pooled"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    current, width = "pooled", 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        inner = 64 << stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            branch = conv(conv(conv(current, width, inner, 1), inner, inner, 3, stride), inner, 4 * inner, 1, active=False)
            if block == 0:
                current = conv(current, width, 4 * inner, 1, stride, active=False)
            width = 4 * inner
            # Scaled down, or random weights would grow from block to block until they overflow.
            constants.append(numpy_helper.from_array(np.float32([0.5]), f"half{stage}_{block}"))
            nodes.append(helper.make_node("Add", [current, branch], [f"sum{stage}_{block}"]))
            nodes.append(helper.make_node("Mul", [f"sum{stage}_{block}", f"half{stage}_{block}"], [f"block{stage}_{block}"]))
            current = relu(f"block{stage}_{block}")
    constants.append(weights("dense", width, 1000))
    nodes += [helper.make_node("GlobalAveragePool", [current], ["mean"]), helper.make_node("Flatten", ["mean"], ["flat"]),
              helper.make_node("MatMul", ["flat", "dense"], ["OUTPUT0"])]
    write(folder, "resnet50", [("INPUT0", "FP32", [3, 224, 224])], [("OUTPUT0", "FP32", [1000])], nodes, constants)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    for maker in (write_add_sub, write_identity, write_mlp, write_cnn, write_resnet50):
        maker(folder)


if __name__ == "__main__":
    main()
