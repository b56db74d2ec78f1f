#!/usr/bin/python3
"""Exports forests of scikit-learn by the server's script, for tests:

  sklearn_forests.py golden FILE OUT          one saved file
  sklearn_forests.py random FOLDER SEED COUNT random ones, each with rows.npy and expected.npy, the library's raw result, and of
                                              classifiers class.npy, the index that the library predicts
  sklearn_forests.py ties FOLDER              classifiers whose scores are 0 or next to it, with rows.npy and class.npy: by the rule of
                                              releases before 1.4 and by that from 1.4 on, both worked out here

Rows hold infinities, denormals, zeros of both signs, thresholds of the model and their neighbours, and NaN where the model takes it.
Needs Debian's python3-sklearn.
"""

import pathlib
import sys
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "src"))
from sluice_worker import forest_export


def estimators(random):
    from sklearn import ensemble, tree
    number = {"n_estimators": int(random.integers(1, 12)), "random_state": int(random.integers(1 << 30))}
    size = {"max_depth": int(random.integers(1, 9))}
    rounds = {"max_iter": number["n_estimators"], "random_state": number["random_state"], "min_samples_leaf": 2}
    return [
        ensemble.RandomForestClassifier(**number, **size), ensemble.ExtraTreesClassifier(**number, **size),
        ensemble.RandomForestRegressor(**number, **size), ensemble.ExtraTreesRegressor(**number, **size),
        ensemble.GradientBoostingClassifier(**number, **size, loss=str(random.choice(["log_loss", "exponential"]))),
        ensemble.GradientBoostingRegressor(**number, **size, loss=str(random.choice(["squared_error", "huber", "quantile"]))),
        ensemble.GradientBoostingRegressor(**number, **size, init="zero"),
        ensemble.HistGradientBoostingClassifier(**rounds), ensemble.HistGradientBoostingRegressor(**rounds, loss="poisson"),
        ensemble.HistGradientBoostingRegressor(**rounds, categorical_features=[0]),
        ensemble.IsolationForest(**number, max_features=float(random.choice([0.5, 1.0]))),
        tree.DecisionTreeClassifier(**size), tree.DecisionTreeRegressor(**size),
    ]


def thresholds(model):
    found = []
    for estimator in np.ravel(getattr(model, "estimators_", [])):
        found.extend(estimator.tree_.threshold[estimator.tree_.children_left != -1])
    for predictors in getattr(model, "_predictors", []):
        for predictor in predictors:
            found.extend(predictor.nodes["num_threshold"][predictor.nodes["is_leaf"] == 0])
    near = np.asarray(found, np.float64)
    single = near.astype(np.float32)
    return np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf), np.nextafter(single, np.float32(np.inf))])


def make(folder, random, index):
    choices = estimators(random)
    model = choices[index % len(choices)]
    kind = type(model).__name__
    features = int(random.choice([2, 3, 17, 40, 70]))
    rows = random.standard_normal((int(random.integers(30, 150)), features))
    rows[:, 0] = random.integers(0, 9, len(rows))
    classes = 2 if getattr(model, "loss", "") == "exponential" else int(random.integers(2, 5))
    if kind.endswith("Classifier"):
        wanted = np.arange(len(rows)) % classes
    elif "Hist" not in kind and "Gradient" not in kind and kind != "IsolationForest" and random.random() < 0.3:
        wanted = random.standard_normal((len(rows), 3))
    else:
        wanted = np.abs(random.standard_normal(len(rows)))
    takes_missing = kind.startswith("Hist")
    if takes_missing:
        rows[random.random(rows.shape) < 0.1] = np.nan
    model.fit(rows, wanted)
    probes = random.standard_normal((40, features)) * 2
    special = [0.0, -0.0, 1e-45, -1e-45, 1e-46, 3.4e38, -3.4e38]
    if takes_missing:
        special += [np.nan, np.inf, -np.inf]
    for values in (special, thresholds(model)):
        where = random.random(probes.shape) < 0.2
        if len(values):
            probes[where] = random.choice(values, int(where.sum()))
    probes[:, 0] = random.integers(-1, 12, len(probes))
    folder.mkdir(parents=True)
    if kind.endswith("Classifier"):
        np.save(folder / "class.npy", np.searchsorted(model.classes_, model.predict(probes)).astype(np.int64))
    if hasattr(model, "decision_function"):
        expected = model.decision_function(probes)
    elif kind.startswith("Hist"):
        expected = model._raw_predict(probes)
    else:
        expected = model.predict_proba(probes) if kind.endswith("Classifier") else model.predict(probes)
    with open(folder / "forest", "wb") as stream:
        forest_export.export(model).write(stream)
    np.save(folder / "rows.npy", probes)
    np.save(folder / "expected.npy", np.ascontiguousarray(expected, np.float64).reshape(len(probes), -1))


def probabilities(scores):
    """What the classes are compared by before 1.4, the same operations in the same order."""
    from scipy import special
    if scores.ndim == 2:
        return np.exp(scores - special.logsumexp(scores, axis=1)[:, np.newaxis])
    second = special.expit(scores)
    return np.stack([1 - second, second], axis=1)


def ties(folder):
    """Trees of eight leaves, whose values are replaced by numbers that make the sums 0 or next to it."""
    from sklearn import ensemble
    rows = np.arange(8.0)[:, np.newaxis].repeat(2, axis=0)
    near = [0.0, 1e-17, -1e-17, 5e-324, -0.0, 1e-15, -1e-15, 1.0]
    plain = {"n_estimators": 1, "learning_rate": 1.0, "init": "zero", "max_depth": 3}
    models = {
        "exponential": ensemble.GradientBoostingClassifier(**plain, loss="exponential"),
        "log_loss": ensemble.GradientBoostingClassifier(**plain),
        "three": ensemble.GradientBoostingClassifier(**plain),
        "histogram": ensemble.HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=1, max_leaf_nodes=8, learning_rate=1.0),
    }
    for name, model in models.items():
        model.fit(rows, np.arange(16) % 3 if name == "three" else np.arange(8).repeat(2) % 2)
        if name == "histogram":
            model._baseline_prediction = np.zeros((1, 1))
            nodes = model._predictors[0][0].nodes
            leaves = np.flatnonzero(nodes["is_leaf"])
            nodes["value"][leaves] = near[:len(leaves)]
        else:
            for output, estimator in enumerate(model.estimators_[0]):
                tree = estimator.tree_
                leaves = np.flatnonzero(tree.children_left == -1)
                tree.value[leaves, 0, 0] = np.roll(near, output)[:len(leaves)]
        scores = model.decision_function(rows)
        assert scores.ndim == 2 or (0 in scores and 1e-17 in scores)
        by_score = np.argmax(scores, axis=1) if scores.ndim == 2 else scores > 0 if name == "histogram" else scores >= 0
        by_probability = by_score if name == "exponential" else np.argmax(probabilities(scores), axis=1)
        own = forest_export.version_numbers
        assert np.array_equal(model.predict(rows), by_score if own() >= (1, 4) else by_probability)
        for version, expected in (((1, 2), by_probability), ((1, 5), by_score)):
            forest_export.version_numbers = lambda: version
            place = folder / ("%s %d.%d" % (name, *version))
            place.mkdir(parents=True)
            with open(place / "forest", "wb") as stream:
                forest_export.export(model).write(stream)
            np.save(place / "rows.npy", rows)
            np.save(place / "class.npy", np.asarray(expected, np.int64))
        forest_export.version_numbers = own


def main():
    if sys.argv[1:2] == ["golden"] and len(sys.argv) == 4:
        forest_export.main(sys.argv[2:])
    elif sys.argv[1:2] == ["random"] and len(sys.argv) == 5:
        warnings.simplefilter("ignore")
        random = np.random.default_rng(int(sys.argv[3]))
        for index in range(int(sys.argv[4])):
            make(pathlib.Path(sys.argv[2]) / str(index), random, index)
    elif sys.argv[1:2] == ["ties"] and len(sys.argv) == 3:
        ties(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
