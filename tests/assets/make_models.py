#!/usr/bin/python3
"""Writes the models of tests/assets/models that the functional tests serve beside the golden ones:

  slow  DONE = STEPS (INT64 scalar) after that many rounds of a loop: takes as long as one likes
  wide  OUTPUT0 = INPUT0 on FP32[-1], not batched: any size

Needs Debian's packages: scripts/install-test.sh --models.
"""

import pathlib

import onnx
from onnx import TensorProto, helper

FOLDER = pathlib.Path(__file__).resolve().parent / "models"


def write(name, graph):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tests/assets")
    model.ir_version = 8
    onnx.checker.check_model(model)
    version = FOLDER / name / "1"
    version.mkdir(parents=True, exist_ok=True)
    (version / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def write_slow():
    def scalar(name, kind=TensorProto.INT64):
        return helper.make_tensor_value_info(name, kind, [])

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Sub", ["round", "round"], ["zero"]),
            helper.make_node("Add", ["sum_in", "zero"], ["sum_out"]),
        ],
        "body",
        [scalar("round"), scalar("go_in", TensorProto.BOOL), scalar("sum_in")],
        [scalar("go_out", TensorProto.BOOL), scalar("sum_out")])
    loop = helper.make_node("Loop", ["STEPS", "", "STEPS"], ["DONE"], body=body)
    write("slow", helper.make_graph([loop], "slow", [scalar("STEPS")], [scalar("DONE")]))


def write_wide():
    def row(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])

    identity = helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])
    write("wide", helper.make_graph([identity], "wide", [row("INPUT0")], [row("OUTPUT0")]))
    (FOLDER / "wide" / "config.pbtxt").write_text(
        'name: "wide"\nbackend: "onnxruntime"\nmax_batch_size: 0\n'
        'input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
        'output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]\n')


def main():
    write_slow()
    write_wide()


if __name__ == "__main__":
    main()
