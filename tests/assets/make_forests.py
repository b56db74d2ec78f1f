#!/usr/bin/python3
"""Writes small ONNX models of tree operators, as the forest tests read them: make_forests.py FOLDER

Random trees, always the same: every comparison, aggregate function, post-transform and shape of base values, leaves with one,
several and no weights, missing values, texts as labels, double precision, and operators around. Needs Debian's python3-onnx.
"""

import pathlib
import sys

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

ML = "ai.onnx.ml"
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
FEATURES = 5


def grow(random, modes, depth):
    """Returns a list of (mode, feature, value, true, false, missing); leaves are ("LEAF", ...)."""
    nodes = []

    def node(level):
        index = len(nodes)
        nodes.append(None)
        if level == depth or (level > 0 and random.random() < 0.2):
            nodes[index] = ("LEAF", 0, 0.0, 0, 0, 0)
            return index
        mode = str(random.choice(modes))
        value = float(random.integers(-2, 3)) if mode in MODES[4:] else float(np.float32(random.standard_normal()))
        true, false = node(level + 1), node(level + 1)
        nodes[index] = (mode, int(random.integers(FEATURES)), value, true, false, int(random.integers(2)))
        return index

    node(0)
    return nodes


def ensemble(seed, outputs, kind, trees=6, depth=3, modes=None, weights="all", positive=False, missing=True, double=False):
    """Attributes of a version 1 or 3 operator."""
    random = np.random.default_rng(seed)
    a = {name: [] for name in (
        "nodes_treeids nodes_nodeids nodes_featureids nodes_values nodes_modes nodes_truenodeids nodes_falsenodeids "
        "nodes_missing_value_tracks_true %s_treeids %s_nodeids %s_ids %s_weights" % ((kind,) * 4)).split()}
    for tree in range(trees):
        for index, (mode, feature, value, true, false, track) in enumerate(grow(random, modes or MODES[:1], depth)):
            for name, item in zip(a, (tree, index, feature, value, mode, true, false, track)):
                a[name].append(item)
            if mode != "LEAF":
                continue
            chosen = {"all": range(outputs), "one": [tree % outputs], "first": [0], "last": [outputs - 1],
                      "half": [outputs - 1] if index % 2 else [], "some": [i for i in range(outputs) if random.random() < 0.4]}[weights]
            for output in chosen:
                weight = random.random() if positive else random.standard_normal()
                for name, item in zip(list(a)[8:], (tree, index, output, float(np.float32(weight)))):
                    a[name].append(item)
    if not missing:
        del a["nodes_missing_value_tracks_true"]
    if double:
        for name in ("nodes_values", kind + "_weights"):
            values = [value + 1e-9 for value in a.pop(name)]
            a[name + "_as_tensor"] = helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
    return a


def save(folder, name, nodes, outputs, type=TensorProto.FLOAT, version=3):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("X", type, [None, FEATURES])], outputs)
    model = helper.make_model(graph, producer_name="sluice", opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid(ML, version)])
    model.ir_version = 8
    (folder / (name + ".onnx")).write_bytes(model.SerializeToString())


def tensor(name, type, *dims):
    return helper.make_tensor_value_info(name, type, list(dims))


def regressors(folder):
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for targets, weights in ((1, "all"), (3, "all"), (3, "some"), (3, "one")):
            for base in (None, [0.25 * (i + 1) for i in range(targets)]):
                name = "reg_%s_%d_%s%s" % (aggregate.lower(), targets, weights, "_base" if base else "")
                extra = {"base_values": base} if base else {}
                node = helper.make_node(
                    "TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=targets, aggregate_function=aggregate,
                    **ensemble(targets * 100 + len(weights), targets, "target", weights=weights), **extra)
                save(folder, name, [node], [tensor("Y", TensorProto.FLOAT, None, targets)])
    for mode in MODES:
        node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, **ensemble(7, 1, "target", modes=[mode]))
        save(folder, "mode_" + mode[7:].lower(), [node], [tensor("Y", TensorProto.FLOAT, None, 1)])
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=2, **ensemble(8, 2, "target", modes=MODES, depth=6, trees=16))
    save(folder, "mode_mixed", [node], [tensor("Y", TensorProto.FLOAT, None, 2)])
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, **ensemble(9, 1, "target", missing=False))
    save(folder, "no_missing", [node], [tensor("Y", TensorProto.FLOAT, None, 1)])
    node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, **ensemble(10, 1, "target", double=True))
    save(folder, "reg_double", [node], [tensor("Y", TensorProto.FLOAT, None, 1)], TensorProto.DOUBLE)
    for transform in ("SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        node = helper.make_node(
            "TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=3, post_transform=transform, **ensemble(11, 3, "target"))
        save(folder, "reg_" + transform.lower(), [node], [tensor("Y", TensorProto.FLOAT, None, 3)])
    node = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, post_transform="PROBIT", aggregate_function="AVERAGE",
        **ensemble(12, 1, "target", positive=True))
    save(folder, "reg_probit", [node], [tensor("Y", TensorProto.FLOAT, None, 1)])


def classifiers(folder):
    def classifier(name, classes, weights, labels=None, base=None, **more):
        transform = more.pop("post_transform", "NONE")
        extra = {"base_values": base} if base else {}
        extra.update({"classlabels_strings": labels} if labels and isinstance(labels[0], str) else
                     {"classlabels_int64s": labels or list(range(classes))})
        node = helper.make_node(
            "TreeEnsembleClassifier", ["X"], ["label", "scores"], domain=ML, post_transform=transform,
            **ensemble(classes * 10 + len(weights), classes, "class", weights=weights, **more), **extra)
        label = TensorProto.STRING if labels and isinstance(labels[0], str) else TensorProto.INT64
        save(folder, name, [node], [tensor("label", label, None), tensor("scores", TensorProto.FLOAT, None, classes)])

    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        short = transform.lower()
        classifier("class_3_all_" + short, 3, "all", post_transform=transform)
        classifier("class_3_some_" + short, 3, "some", post_transform=transform, base=[0.1, -0.2, 0.3])
        classifier("class_3_one_" + short, 3, "one", labels=["red", "green", "blue"], post_transform=transform)
        for positive in (False, True):
            sign = "positive" if positive else "mixed"
            for weights in ("first", "last", "all"):
                for base in (None, [0.3], [0.3, 0.4]) if transform in ("NONE", "LOGISTIC") else (None,):
                    classifier("class_2_%s_%s_%s_%d" % (weights, sign, short, len(base or [])), 2, weights,
                               base=base, positive=positive, post_transform=transform)
    classifier("class_gap", 4, "some", labels=[4, 7, 9, 12], depth=2, trees=2)
    for positive in (False, True):
        for base in (None, [0.3], [0.3, 0.4]):
            classifier("class_2_half_%s_%d" % ("positive" if positive else "mixed", len(base or [])), 2, "half",
                       base=base, positive=positive, depth=1, trees=1)
    classifier("class_texts", 2, "first", labels=["no", "yes"], positive=True)


def around(folder):
    attributes = ensemble(20, 3, "class", positive=True)
    tree = helper.make_node("TreeEnsembleClassifier", ["C"], ["l", "s"], domain=ML, classlabels_int64s=[0, 1, 2], **attributes)
    cast = helper.make_node("Cast", ["X"], ["C"], to=TensorProto.FLOAT)
    label = helper.make_node("Cast", ["l"], ["label"], to=TensorProto.INT64)
    for norm in ("MAX", "L1", "L2"):
        normal = helper.make_node("Normalizer", ["s"], ["n"], domain=ML, norm=norm)
        same = helper.make_node("Identity", ["n"], ["scores"])
        save(folder, "around_" + norm.lower(), [cast, tree, label, normal, same],
             [tensor("label", TensorProto.INT64, None), tensor("scores", TensorProto.FLOAT, None, 3)], TensorProto.DOUBLE)
    plain = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain=ML, n_targets=1, **ensemble(21, 1, "target"))
    save(folder, "other_operator", [plain, helper.make_node("Neg", ["Y"], ["Z"])], [tensor("Z", TensorProto.FLOAT, None, 1)])
    zipped = helper.make_node("ZipMap", ["s"], ["Z"], domain=ML, classlabels_int64s=[0, 1, 2])
    table = ValueInfoProto(name="Z")
    element = table.type.sequence_type.elem_type.map_type
    element.key_type = TensorProto.INT64
    element.value_type.tensor_type.elem_type = TensorProto.FLOAT
    save(folder, "around_zipmap", [cast, tree, label, zipped], [tensor("label", TensorProto.INT64, None), table])


def refused(folder):
    """Graphs whose operators around the tree would change what the engine answers."""
    folder = folder / "refused"
    folder.mkdir(exist_ok=True)
    tree = helper.make_node("TreeEnsembleRegressor", ["C"], ["s"], domain=ML, n_targets=2, **ensemble(22, 2, "target"))
    cast = helper.make_node("Cast", ["X"], ["C"], to=TensorProto.FLOAT)
    normal = helper.make_node("Normalizer", ["s"], ["n"], domain=ML, norm="L1")
    scores = tensor("s", TensorProto.FLOAT, None, 2)
    save(folder, "both_scores", [cast, tree, normal], [scores, tensor("n", TensorProto.FLOAT, None, 2)])
    again = helper.make_node("Normalizer", ["n"], ["m"], domain=ML, norm="L2")
    save(folder, "normalized_twice", [cast, tree, normal, again], [tensor("m", TensorProto.FLOAT, None, 2)])
    whole = helper.make_node("Cast", ["s"], ["w"], to=TensorProto.INT64)
    save(folder, "whole_scores", [cast, tree, whole], [tensor("w", TensorProto.INT64, None, 2)])
    narrow = helper.make_node("Cast", ["X"], ["N"], to=TensorProto.FLOAT)
    widen = helper.make_node("Cast", ["N"], ["C"], to=TensorProto.DOUBLE)
    save(folder, "rounded_rows", [narrow, widen, tree], [scores], TensorProto.DOUBLE)


def version5(folder):
    for double in (False, True):
        random = np.random.default_rng(30)
        a = {name: [] for name in (
            "nodes_featureids nodes_splits nodes_modes nodes_truenodeids nodes_falsenodeids nodes_trueleafs nodes_falseleafs "
            "nodes_missing_value_tracks_true leaf_targetids leaf_weights membership_values tree_roots").split()}

        def node(level):
            index = len(a["nodes_modes"])
            mode = int(random.integers(7))
            a["nodes_modes"].append(mode)
            a["nodes_featureids"].append(int(random.integers(FEATURES)))
            a["nodes_splits"].append(float(random.integers(-2, 3)) if mode in (4, 5) else float(np.float32(random.standard_normal())))
            a["nodes_missing_value_tracks_true"].append(int(random.integers(2)))
            for name in ("true", "false"):
                a["nodes_%snodeids" % name].append(0)
                a["nodes_%sleafs" % name].append(0)
            if mode == 6:
                a["membership_values"] += [float(v) for v in random.choice(6, 3, replace=False)] + [float("nan")]
            for name in ("true", "false"):
                is_leaf = level == 3 or random.random() < 0.2
                a["nodes_%sleafs" % name][index] = int(is_leaf)
                if is_leaf:
                    a["nodes_%snodeids" % name][index] = len(a["leaf_weights"])
                    a["leaf_targetids"].append(int(random.integers(2)))
                    a["leaf_weights"].append(float(np.float32(random.standard_normal())))
                else:
                    a["nodes_%snodeids" % name][index] = node(level + 1)
            return index

        for _ in range(6):
            a["tree_roots"].append(node(0))
        number = TensorProto.DOUBLE if double else TensorProto.FLOAT
        for name, type in (("nodes_splits", number), ("leaf_weights", number), ("membership_values", number), ("nodes_modes", TensorProto.UINT8)):
            a[name] = helper.make_tensor(name, type, [len(a[name])], a[name])
        for aggregate in (0, 1, 2, 3):
            tree = helper.make_node("TreeEnsemble", ["X"], ["Y"], domain=ML, n_targets=2, aggregate_function=aggregate, **a)
            save(folder, "v5_%d%s" % (aggregate, "_double" if double else ""), [tree], [tensor("Y", number, None, 2)], number, 5)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (regressors, classifiers, around, refused, version5):
        make(folder)


if __name__ == "__main__":
    main()
