#!/usr/bin/python3
"""Writes the models of tests/assets/models that the functional tests serve beside the golden ones:

  slow  DONE = STEPS (INT64 scalar) after that many rounds of a loop: takes as long as one likes
  wide  OUTPUT0 = INPUT0 on FP32[-1], not batched: any size
  ragged  ECHO = INPUT and SUM = sums of INPUT per request, which ENDS tells apart; INPUT is FP32, ragged
  start_plus  OUTPUT = INPUT + START on INT32[1], which is what the ecosystem's sequence examples ask for

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


def write_ragged():
    def vector(name, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, ["elements" if name in ("INPUT", "ECHO") else "requests"])

    # The running sum at the end of each request, less that of the request before.
    nodes = [
        helper.make_node("Identity", ["INPUT"], ["ECHO"]),
        helper.make_node("Constant", [], ["axis"], value=helper.make_tensor("a", TensorProto.INT64, [], [0])),
        helper.make_node("Constant", [], ["one"], value=helper.make_tensor("o", TensorProto.INT64, [1], [1])),
        helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("z", TensorProto.INT64, [1], [0])),
        helper.make_node("Constant", [], ["nothing"], value=helper.make_tensor("n", TensorProto.FLOAT, [1], [0.0])),
        helper.make_node("Constant", [], ["last"], value=helper.make_tensor("l", TensorProto.INT64, [1], [-1])),
        helper.make_node("CumSum", ["INPUT", "axis"], ["running"]),
        helper.make_node("Cast", ["ENDS"], ["ends"], to=TensorProto.INT64),
        helper.make_node("Sub", ["ends", "one"], ["at"]),
        helper.make_node("Gather", ["running", "at"], ["totals"]),
        helper.make_node("Concat", ["nothing", "totals"], ["shifted"], axis=0),
        helper.make_node("Slice", ["shifted", "zero", "last", "zero"], ["before"]),
        helper.make_node("Sub", ["totals", "before"], ["sums"]),
        helper.make_node("Unsqueeze", ["sums", "one"], ["SUM"]),
    ]
    total = helper.make_tensor_value_info("SUM", TensorProto.FLOAT, ["requests", 1])
    write("ragged", helper.make_graph(
        nodes, "ragged", [vector("INPUT"), vector("ENDS", TensorProto.INT32)], [vector("ECHO"), total]))
    (FOLDER / "ragged" / "config.pbtxt").write_text(
        'name: "ragged"\nbackend: "onnxruntime"\nmax_batch_size: 16\n'
        'input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true } ]\n'
        'output [ { name: "ECHO" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "SUM" data_type: TYPE_FP32 dims: [ 1 ] } ]\n'
        'batch_input [ { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "ENDS" data_type: TYPE_INT32 source_input: "INPUT" } ]\n'
        'batch_output [ { target_name: "ECHO" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "INPUT" } ]\n'
        'dynamic_batching { max_queue_delay_microseconds: 5000 }\n'
        'instance_group [ { count: 1 kind: KIND_CPU } ]\n')


def write_start_plus():
    def row(name):
        return helper.make_tensor_value_info(name, TensorProto.INT32, ["rows", 1])

    nodes = [
        helper.make_node("Add", ["INPUT", "START"], ["sum"]),
        helper.make_node("Mul", ["sum", "READY"], ["OUTPUT"]),
    ]
    write("start_plus", helper.make_graph(
        nodes, "start_plus", [row("INPUT"), row("START"), row("READY")], [row("OUTPUT")]))
    (FOLDER / "start_plus" / "config.pbtxt").write_text(
        'name: "start_plus"\nbackend: "onnxruntime"\nmax_batch_size: 8\n'
        'sequence_batching {\n'
        '  max_sequence_idle_microseconds: 5000000\n'
        '  control_input [\n'
        '    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },\n'
        '    { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] } ] } ]\n'
        '}\n')


def main():
    write_slow()
    write_wide()
    write_ragged()
    write_start_plus()


if __name__ == "__main__":
    main()
