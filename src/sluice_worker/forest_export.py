"""Writes a forest that scikit-learn saved in the server's own format: python -m sluice_worker.forest_export FILE OUT

The format is described in src/Sluice.Backends.Forest/README.md. This runs in a process of its own, since opening a pickle runs
whatever lies in it: a worker of the server, or by hand.
"""

import struct
import sys

import numpy as np

MAGIC, VERSION = b"SLUICEFT", 1
ROUNDED, AVERAGED, PREDICTS_CLASS, BY_SCORE, ZERO_IS_CLASS_1 = 1, 2, 4, 8, 16
HAS_COVER, HAS_SETS, HAS_IDS = 1, 2, 4
NONE, SIGMOID, EXP, SOFTMAX, ABSENT = 0, 1, 2, 3, 255


class Refused(Exception):
    """The file holds something that is no forest of a known kind."""


class Forest:
    """What is written; see the format."""

    def __init__(self, model, outputs):
        self.source = "scikit-learn %s" % library_version()
        self.objective = type(model).__name__
        self.features = int(model.n_features_in_)
        self.names = [str(name) for name in getattr(model, "feature_names_in_", [])]
        self.outputs = outputs
        self.flags = 0
        self.transform, self.probabilities, self.scale = NONE, ABSENT, 1.0
        self.isolation = None
        self.base = np.zeros(outputs)
        self.labels = None
        self.rounds = []

    def write(self, stream):
        trees = [tree for round in self.rounds for tree in round]
        put = stream.write
        put(MAGIC + struct.pack("<IIIIII", VERSION, self.flags, self.features, self.outputs, len(self.rounds), len(trees)))
        kind = 0 if self.labels is None else 2 if self.labels.dtype.kind in "US" else 1
        put(struct.pack("<BBBBd", self.transform, self.probabilities, kind, self.isolation is not None, self.scale))
        if self.isolation is not None:
            put(struct.pack("<dd", *self.isolation))
        for text in (self.source, self.objective):
            put_text(put, text)
        put(np.asarray(self.base, "<f8").tobytes())
        put(np.cumsum([0] + [len(round) for round in self.rounds]).astype("<u4").tobytes())
        if kind:
            put(struct.pack("<I", len(self.labels)))
            if kind == 1:
                put(self.labels.astype("<i8").tobytes())
            else:
                for label in self.labels:
                    put_text(put, str(label))
        put(struct.pack("<I", len(self.names)))
        for name in self.names:
            put_text(put, name)
        for tree in trees:
            put(tree)


def put_text(put, text):
    data = text.encode("utf-8")
    put(struct.pack("<I", len(data)) + data)


def library_version():
    import sklearn
    return sklearn.__version__


def version_numbers():
    return tuple(int(part) for part in library_version().split(".")[:2])


def pack_tree(left, right, features, thresholds, defaults, values, cover, output=0, sets=None):
    """Numbers inner nodes and leaves apart, both in the library's order; `values` has a row for each node."""
    is_leaf = left == -1
    leaves, inner = np.flatnonzero(is_leaf), np.flatnonzero(~is_leaf)
    numbers = np.empty(len(left), np.int64)
    numbers[inner] = np.arange(len(inner))
    numbers[leaves] = ~np.arange(len(leaves))
    values = np.asarray(values, np.float64).reshape(len(left), -1)
    flags = HAS_COVER | HAS_IDS | (HAS_SETS if sets else 0)
    parts = [struct.pack("<IIIIIi", len(inner), len(leaves), values.shape[1], output, flags, int(numbers[0]))]
    for array, kind in ((features[inner], "<i4"), (thresholds[inner], "<f8"), (numbers[left[inner]], "<i4"),
                        (numbers[right[inner]], "<i4"), (defaults[inner], "u1"), (values[leaves], "<f8"),
                        (np.concatenate([cover[inner], cover[leaves]]), "<f8")):
        parts.append(np.ascontiguousarray(array).astype(kind).tobytes())
    if sets:
        for node in inner:
            goes_left, bits = sets.get(int(node), (0, np.empty(0, np.uint32)))
            parts.append(struct.pack("<II", goes_left, len(bits)) + bits.astype("<u4").tobytes())
    parts.append(leaves.astype("<i4").tobytes())
    return b"".join(parts)


def pack_plain(estimator, values, output=0, columns=None):
    """A tree of sklearn.tree."""
    tree = estimator.tree_
    features = tree.feature if columns is None else np.where(tree.feature >= 0, np.asarray(columns)[np.maximum(tree.feature, 0)], -1)
    defaults = getattr(tree, "missing_go_to_left", None)
    if defaults is None:
        defaults = np.zeros(tree.node_count, np.uint8)
    return pack_tree(tree.children_left, tree.children_right, features, tree.threshold, defaults, values,
                     tree.weighted_n_node_samples, output)


def class_labels(model):
    labels = np.asarray(model.classes_)
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if labels.dtype.kind in "US" or (labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels)):
        return labels.astype(str)
    raise Refused("classes of type %s are neither whole numbers nor texts" % labels.dtype)


def from_classifier(model, estimators):
    """The mean of the trees' shares of classes."""
    if model.n_outputs_ != 1:
        raise Refused("a classifier of several outputs is not supported")
    forest = Forest(model, int(model.n_classes_))
    forest.flags = ROUNDED | AVERAGED | PREDICTS_CLASS
    forest.probabilities = NONE
    forest.labels = class_labels(model)
    for estimator in estimators:
        values = estimator.tree_.value[:, 0, :]
        if version_numbers() < (1, 4) or abs(values[0].sum() - 1) > 1e-6:
            # Later releases keep shares in the tree itself.
            sums = values.sum(axis=1)[:, np.newaxis]
            sums[sums == 0.0] = 1.0
            values = values / sums
        forest.rounds.append([pack_plain(estimator, values)])
    return forest


def from_regressor(model, estimators):
    """The mean of the trees."""
    forest = Forest(model, int(model.n_outputs_))
    forest.flags = ROUNDED | AVERAGED
    forest.rounds = [[pack_plain(estimator, estimator.tree_.value[:, :, 0])] for estimator in estimators]
    return forest


def from_boosting(model):
    """GradientBoosting: a constant start and the scaled leaves, round by round."""
    start = model._raw_predict_init(np.zeros((2, model.n_features_in_), np.float32))
    if not np.array_equal(start[0], start[1]) or not (isinstance(model.init_, str) or "Dummy" in type(model.init_).__name__):
        raise Refused("a boosting model whose 'init' is a model of its own is not supported")
    forest = Forest(model, start.shape[1])
    forest.flags = ROUNDED
    forest.base = start[0]
    for stage in model.estimators_:
        forest.rounds.append([
            pack_plain(estimator, estimator.tree_.value[:, 0, 0] * model.learning_rate, output)
            for output, estimator in enumerate(stage)])
    if hasattr(model, "classes_"):
        forest.flags |= PREDICTS_CLASS
        forest.labels = class_labels(model)
        forest.probabilities = SIGMOID if forest.outputs == 1 else SOFTMAX
        forest.scale = 2.0 if model.loss == "exponential" else 1.0
        if version_numbers() >= (1, 4) or model.loss == "exponential":
            # Earlier releases take the class of the highest probability, but for this loss.
            forest.flags |= BY_SCORE | (ZERO_IS_CLASS_1 if forest.outputs == 1 else 0)
    return forest


def from_histogram(model):
    """HistGradientBoosting: numbers are compared in double precision, categories by sets."""
    if getattr(model, "_preprocessor", None) is not None:
        raise Refused("HistGradientBoosting with categorical columns of this scikit-learn is not supported")
    forest = Forest(model, int(model.n_trees_per_iteration_))
    forest.base = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    known, positions = model._bin_mapper.make_known_categories_bitsets()
    for predictors in model._predictors:
        forest.rounds.append([pack_histogram(predictor, output, known, positions) for output, predictor in enumerate(predictors)])
    if hasattr(model, "classes_"):
        forest.flags |= PREDICTS_CLASS
        forest.labels = class_labels(model)
        forest.probabilities = SIGMOID if forest.outputs == 1 else SOFTMAX
        if version_numbers() >= (1, 4):
            forest.flags |= BY_SCORE
    elif "log" in type(model._loss.link).__name__.lower():
        forest.transform = EXP
    return forest


def pack_histogram(predictor, output, known, positions):
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(is_leaf, -1, nodes[name].astype(np.int64)) for name in ("left", "right"))
    sets = {}
    if "is_categorical" in nodes.dtype.names:
        for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~is_leaf):
            bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
            if nodes["missing_go_to_left"][node]:
                # Unknown categories go where missing values go.
                sets[int(node)] = (0, known[positions[nodes["feature_idx"][node]]] & ~bits)
            else:
                sets[int(node)] = (1, bits)
    return pack_tree(left, right, nodes["feature_idx"].astype(np.int64), nodes["num_threshold"], nodes["missing_go_to_left"],
                     nodes["value"], nodes["count"].astype(np.float64), output, sets)


def from_isolation(model):
    """IsolationForest: depths and what a leaf's samples would add to them."""
    from sklearn.ensemble._iforest import _average_path_length
    forest = Forest(model, 1)
    forest.flags = ROUNDED | PREDICTS_CLASS
    forest.labels = np.array([-1, 1])
    forest.isolation = (float((len(model.estimators_) * _average_path_length([model.max_samples_]))[0]), float(model.offset_))
    for estimator, columns in zip(model.estimators_, model.estimators_features_):
        tree = estimator.tree_
        visited = np.ones(tree.node_count)
        for node in range(tree.node_count):
            if tree.children_left[node] != -1:
                visited[[tree.children_left[node], tree.children_right[node]]] = visited[node] + 1
        values = visited + _average_path_length(tree.n_node_samples) - 1.0
        forest.rounds.append([pack_plain(estimator, values, columns=columns)])
    return forest


def export(model):
    """Makes a forest of an estimator."""
    kinds = {base.__name__ for base in type(model).__mro__ if base.__module__.startswith("sklearn.")}
    if kinds & {"RandomForestClassifier", "ExtraTreesClassifier"}:
        return from_classifier(model, model.estimators_)
    if kinds & {"RandomForestRegressor", "ExtraTreesRegressor"}:
        return from_regressor(model, model.estimators_)
    if "DecisionTreeClassifier" in kinds:
        return from_classifier(model, [model])
    if "DecisionTreeRegressor" in kinds:
        return from_regressor(model, [model])
    if kinds & {"GradientBoostingClassifier", "GradientBoostingRegressor"}:
        return from_boosting(model)
    if kinds & {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}:
        return from_histogram(model)
    if "IsolationForest" in kinds:
        return from_isolation(model)
    raise Refused("the file holds a %s, which is no forest; use the sklearn backend" % type(model).__name__)


class ExportServer:
    """A worker process that exports one file and ends."""

    def __init__(self, worker):
        self.worker = worker

    def load(self, plan):
        from . import faults, wire
        from .sklearn_model import load_file
        try:
            with open(plan["result"], "wb") as stream:
                export(load_file(plan["file"])).write(stream)
        except Exception as error:
            reason = str(error) if isinstance(error, Refused) else faults.explain_import(error)
            self.worker.send_json(wire.LOADED, {"error": reason})
            return False
        self.worker.send_json(wire.LOADED, {})
        return True


def main(arguments):
    from .sklearn_model import load_file
    with open(arguments[1], "wb") as stream:
        export(load_file(arguments[0])).write(stream)


if __name__ == "__main__":
    main(sys.argv[1:])
