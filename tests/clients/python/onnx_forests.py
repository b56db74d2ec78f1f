#!/usr/bin/python3
"""Writes random ONNX models of one tree operator, and rows for them: onnx_forests.py FOLDER SEED COUNT

Each of COUNT folders gets model.onnx, runtime.onnx for ONNX Runtime where that reads the same differently, and rows.npy (double precision, whole numbers where the input is). All three operators and both
their versions, ids in any order and with gaps, all comparisons, aggregate functions, post-transforms, base values and labels, leaves with
any weights. Rows hold NaN, infinities, denormals, zeros of both signs, and thresholds of the model and their neighbours. Needs Debian's
python3-onnx.
"""

import numpy as np
from onnx import TensorProto, helper

import forest_scripts

ML = "ai.onnx.ml"
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
TYPES = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64, TensorProto.INT32: np.int32}
SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38]


def pick(random, *choices):
    return choices[int(random.integers(len(choices)))]


class Plan:
    """What is drawn for a model."""

    def __init__(self, random):
        self.random = random
        self.operator = pick(random, "TreeEnsembleRegressor", "TreeEnsembleClassifier", "TreeEnsemble")
        self.is_new = self.operator == "TreeEnsemble"
        types = [TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.DOUBLE]
        if self.operator == "TreeEnsembleClassifier":
            types += [TensorProto.INT64, TensorProto.INT32]
        self.type = pick(random, *types)
        self.is_double = self.type == TensorProto.DOUBLE
        self.features = pick(random, 1, 2, 5, 17, 64, 70, 130)
        self.depth = pick(random, 0, 1, 2, 4, 6, 7, 8, 10)
        self.trees = pick(random, 1, 2, 7, 31, 40)
        self.outputs = pick(random, 1, 1, 2, 3, 5)
        if self.operator == "TreeEnsembleClassifier":
            self.outputs = pick(random, 2, 2, 3, 5)
            if random.random() < 0.3:
                # Small enough for leaves, and so rows, without any score.
                self.outputs, self.trees, self.depth = 2, pick(random, 1, 2), pick(random, 1, 2)
        self.modes = pick(random, MODES[:1], MODES[1:2], MODES[2:3], MODES[3:4], MODES[4:5], MODES[5:], MODES, MODES)
        self.leaf_share = pick(random, 0.0, 0.1, 0.5)
        self.values = np.concatenate([random.standard_normal(pick(random, 3, 40, 2000)), random.integers(-3, 4, 8), SPECIAL])
        if not self.is_double:
            self.values = self.values.astype(np.float32).astype(np.float64)
        self.is_positive = random.random() < 0.4
        self.tracks = random.random() < 0.7

    def value(self, mode):
        if mode in MODES[4:] and self.random.random() < 0.8:
            return float(self.random.integers(-3, 4))
        return float(self.random.choice(self.values))

    def weight(self):
        weight = pick(self.random, self.random.standard_normal(), self.random.random(), float(self.random.integers(-2, 3)) / 4,
                      *((0.0, -0.0, 1e-40, 1e20) if self.random.random() < 0.1 else ()))
        weight = abs(weight) if self.is_positive else weight
        return float(weight if self.is_double else np.float32(weight))

    def grow(self):
        """Nodes of a tree, the root first: (mode, feature, value, true, false, missing is true)."""
        nodes = []
        depth = min(self.depth, 5) if self.random.random() < 0.3 else self.depth

        def node(level):
            index = len(nodes)
            nodes.append(("LEAF", 0, 0.0, 0, 0, 0))
            if level < depth and (level == 0 or self.random.random() >= self.leaf_share):
                mode = pick(self.random, *self.modes)
                true, false = node(level + 1), node(level + 1)
                nodes[index] = (mode, int(self.random.integers(self.features)), self.value(mode), true, false,
                                int(self.tracks and self.random.random() < 0.5))
            return index

        node(0)
        return nodes

    def numbers(self, count, most):
        """Ids in any order, some with gaps."""
        if self.random.random() < 0.5:
            return list(range(count))
        return [int(number) for number in self.random.choice(most, count, replace=False)]


def attributes(plan):
    """Of the operators of versions 1 and 3."""
    random, kind = plan.random, "class" if plan.operator == "TreeEnsembleClassifier" else "target"
    names = ["nodes_" + name for name in "treeids nodeids featureids values modes truenodeids falsenodeids missing_value_tracks_true".split()]
    columns, weights = {name: [] for name in names}, []
    chosen = pick(random, "all", "all", "one", "first", "last", "some", "tree")
    for tree, tree_id in enumerate(plan.numbers(plan.trees, 3 * plan.trees)):
        nodes = plan.grow()
        # ONNX Runtime takes no ids past the number of nodes.
        ids = plan.numbers(len(nodes), len(nodes))
        order = [0] + [1 + int(i) for i in random.permutation(len(nodes) - 1)] if random.random() < 0.5 else range(len(nodes))
        if MODES[4] in plan.modes:
            # Of such ids it has taken two comparisons for equality behind one another for a set, though they lead to different leaves.
            ids = order = range(len(nodes))
        for index in order:
            mode, feature, value, true, false, missing = nodes[index]
            is_leaf = mode == "LEAF"
            row = (tree_id, ids[index], feature, value, mode, 0 if is_leaf else ids[true], 0 if is_leaf else ids[false], missing)
            for name, item in zip(names, row):
                columns[name].append(item)
            if is_leaf:
                outputs = {"all": range(plan.outputs), "one": [int(random.integers(plan.outputs))], "first": [0], "last": [plan.outputs - 1],
                           "some": [i for i in range(plan.outputs) if random.random() < 0.6], "tree": [tree % plan.outputs]}[chosen]
                if kind == "class" and plan.outputs > 2 and not outputs:
                    # Of a row that no leaf gives a score to, ONNX Runtime tells no class of more than two.
                    outputs = [0]
                weights += [(tree_id, ids[index], output, plan.weight()) for output in outputs]
    if not weights:
        weights.append((columns["nodes_treeids"][-1], next(i for i, m in zip(columns["nodes_nodeids"][::-1], columns["nodes_modes"][::-1]) if m == "LEAF"), 0, 0.5))
    if random.random() < 0.3:
        weights = [weights[int(i)] for i in random.permutation(len(weights))]
    for name, column in zip(("treeids", "nodeids", "ids", "weights"), zip(*weights)):
        columns["%s_%s" % (kind, name)] = list(column)
    if not plan.tracks:
        del columns["nodes_missing_value_tracks_true"]
    if plan.is_double:
        for name in ("nodes_values", kind + "_weights"):
            values = columns.pop(name)
            columns[name + "_as_tensor"] = helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
    return columns


def attributes5(plan):
    """Of the operator of version 5."""
    random = plan.random
    a = {name: [] for name in (
        "nodes_featureids nodes_splits nodes_modes nodes_truenodeids nodes_falsenodeids nodes_trueleafs nodes_falseleafs "
        "nodes_missing_value_tracks_true leaf_targetids leaf_weights membership_values tree_roots").split()}

    def leaf():
        a["leaf_targetids"].append(int(random.integers(plan.outputs)))
        a["leaf_weights"].append(plan.weight())
        return len(a["leaf_weights"]) - 1

    def add(nodes, at):
        mode, feature, value, true, false, missing = nodes[at]
        index = len(a["nodes_modes"])
        is_member = plan.modes == MODES and random.random() < 0.1
        for name, item in (("nodes_featureids", feature), ("nodes_splits", 0.0 if is_member else value), ("nodes_missing_value_tracks_true", missing),
                           ("nodes_modes", 6 if is_member else MODES.index(mode)), ("nodes_truenodeids", 0), ("nodes_falsenodeids", 0),
                           ("nodes_trueleafs", 0), ("nodes_falseleafs", 0)):
            a[name].append(item)
        if is_member:
            a["membership_values"] += [float(v) for v in random.choice(9, 3, replace=False)] + [float("nan")]
        for name, child in (("true", true), ("false", false)):
            is_leaf = nodes[child][0] == "LEAF"
            a["nodes_%sleafs" % name][index] = int(is_leaf)
            number = leaf() if is_leaf else add(nodes, child)
            a["nodes_%snodeids" % name][index] = number
        return index

    plan.depth = max(1, plan.depth)
    for _ in range(plan.trees):
        a["tree_roots"].append(add(plan.grow(), 0))
    for name in ("nodes_splits", "leaf_weights", "membership_values"):
        a[name] = helper.make_tensor(name, plan.type, [len(a[name])], a[name])
    a["nodes_modes"] = helper.make_tensor("nodes_modes", TensorProto.UINT8, [len(a["nodes_modes"])], a["nodes_modes"])
    if not a["membership_values"].dims[0]:
        del a["membership_values"]
    return a


def make(folder, random):
    plan = Plan(random)
    more = attributes5(plan) if plan.is_new else attributes(plan)
    number = TensorProto.DOUBLE if plan.is_double and plan.is_new else TensorProto.FLOAT
    transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
    scores = helper.make_tensor_value_info("Y", number, [None, plan.outputs])
    names, outputs = ["Y"], [scores]
    if plan.operator == "TreeEnsembleClassifier":
        is_text = random.random() < 0.3
        labels = [int(i) for i in random.choice(20, plan.outputs, replace=False) - 5]
        if len(labels) == 2 and len(set(more["class_ids"])) == 2 and not is_text:
            # Of such a pair ONNX Runtime answers 0 and 1, whatever the labels are.
            labels = [0, 1]
        more["classlabels_strings" if is_text else "classlabels_int64s"] = ["c%d" % i for i in labels] if is_text else labels
        names, outputs = ["L", "Y"], [helper.make_tensor_value_info("L", TensorProto.STRING if is_text else TensorProto.INT64, [None]), scores]
        # With one base value and weights for both classes it leaves scores unwritten.
        sizes = (1, 2) if plan.outputs == 2 and len(set(more["class_ids"])) == 1 else (plan.outputs,)
    else:
        more["n_targets"] = plan.outputs
        aggregate = int(random.integers(4))
        more["aggregate_function"] = aggregate if plan.is_new else ["AVERAGE", "SUM", "MIN", "MAX"][aggregate]
        sizes = (plan.outputs,)
    transform = int(random.integers(4)) if random.random() < 0.5 else 0
    more["post_transform"] = transform if plan.is_new else transforms[transform]
    if not plan.is_new and random.random() < 0.4:
        more["base_values"] = [float(np.float32(random.standard_normal())) for _ in range(pick(random, *sizes))]
        if plan.is_double:
            more["base_values_as_tensor"] = helper.make_tensor("base_values", TensorProto.DOUBLE, [len(more["base_values"])], more.pop("base_values"))
    folder.mkdir(parents=True)
    save(folder / "model.onnx", plan, names, outputs, more)
    if plan.is_new and transform in (1, 2):
        # ONNX Runtime 1.30 takes 1 for LOGISTIC and 2 for SOFTMAX.
        more["post_transform"] = 3 - transform
        save(folder / "runtime.onnx", plan, names, outputs, more)
    np.save(folder / "rows.npy", rows_for(plan))


def save(path, plan, names, outputs, more):
    node = helper.make_node(plan.operator, ["X"], names, domain=ML, **more)
    graph = helper.make_graph([node], "fuzz", [helper.make_tensor_value_info("X", plan.type, [None, plan.features])], outputs)
    version = 5 if plan.is_new else 3 if plan.is_double or plan.random.random() < 0.5 else 1
    model = helper.make_model(graph, producer_name="sluice", opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid(ML, version)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def rows_for(plan):
    random = plan.random
    rows = random.standard_normal((37, plan.features)) * 2
    single = plan.values.astype(np.float32)
    near = np.concatenate([plan.values, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))])
    for values in (near, np.arange(-3.0, 4.0), np.array([np.nan, np.inf, -np.inf, *SPECIAL])):
        where = random.random(rows.shape) < 0.2
        rows[where] = random.choice(values, int(where.sum()))
    if plan.type in (TensorProto.INT64, TensorProto.INT32):
        rows = np.trunc(np.clip(np.nan_to_num(rows), -1e6, 1e6))
    return rows.astype(TYPES[plan.type]).astype(np.float64)


if __name__ == "__main__":
    forest_scripts.run(__doc__, make)
