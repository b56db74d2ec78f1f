#!/usr/bin/python3
"""Trains the forests that perf/forests.sh measures, as XGBoost and as ONNX files, on random data of 32 features: perf/make_forests.py FOLDER

Needs Debian's python3-xgboost and python3-onnx: scripts/install-test.sh --models.
"""

import json
import pathlib
import sys

import numpy as np
import xgboost
from onnx import TensorProto, helper

ML = "ai.onnx.ml"
FORESTS = [(100, 6), (500, 6), (1000, 8)]
ROWS, FEATURES = 20_000, 32


def write_onnx(booster, path):
    """The same trees as one TreeEnsembleRegressor."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for node, left in enumerate(tree["left_children"]):
            is_leaf, value = left < 0, tree["split_conditions"][node]
            row = (number, node, 0 if is_leaf else tree["split_indices"][node], 0.0 if is_leaf else value,
                   "LEAF" if is_leaf else "BRANCH_LT", 0 if is_leaf else left, 0 if is_leaf else tree["right_children"][node])
            for values, item in zip(nodes.values(), row):
                values.append(item)
            if is_leaf:
                for values, item in zip(leaves.values(), (number, node, 0, value)):
                    values.append(item)
    attributes = {"nodes_" + name: values for name, values in nodes.items()}
    attributes.update({"target_" + name: values for name, values in leaves.items()})
    base = float(learner["learner_model_param"]["base_score"])
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, base_values=[base], **attributes)
    graph = helper.make_graph(
        [node], "forest", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid(ML, 3)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    rows = random.standard_normal((ROWS, FEATURES)).astype(np.float32)
    wanted = rows @ random.standard_normal(FEATURES) + 3 * np.sin(4 * rows[:, 0] * rows[:, 1]) + random.standard_normal(ROWS)
    data = xgboost.DMatrix(rows, wanted)
    for trees, depth in FORESTS:
        path = folder / f"{trees}x{depth}.ubj"
        if not path.exists():
            parameters = {"max_depth": depth, "eta": 0.05, "tree_method": "hist", "nthread": 2, "seed": 7}
            xgboost.train(parameters, data, trees).save_model(path)
        if not path.with_suffix(".onnx").exists():
            write_onnx(xgboost.Booster(model_file=str(path)), path.with_suffix(".onnx"))


if __name__ == "__main__":
    main()
