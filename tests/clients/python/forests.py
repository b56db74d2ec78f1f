#!/usr/bin/python3
"""Trains random XGBoost models and writes them with rows and the library's results: forests.py FOLDER SEED COUNT

Each of COUNT folders gets model.json, model.ubj or model.bin, rows.npy, margin.npy, predicted.npy, leaf.npy and, where the library has them,
contributions.npy. Rows hold NaN, infinities, denormals, zeros of both signs, exact thresholds of the model, and categories that are unseen,
negative, fractional and too large. Needs Debian's python3-xgboost, or a newer release: what only that has is made too.
"""

import json
import sys

import numpy as np
import xgboost

import forest_scripts

VERSION = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
OBJECTIVES = [
    "reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson", "rank:pairwise", "binary:hinge", "binary:logitraw", "multi:softmax",
    "reg:gamma", "reg:tweedie", "reg:squaredlogerror", "reg:pseudohubererror", "reg:logistic", "rank:ndcg", "rank:map", "survival:cox", "survival:aft",
]
if VERSION >= (2, 0):
    OBJECTIVES += ["reg:absoluteerror", "reg:quantileerror"]
if VERSION >= (3, 3):
    OBJECTIVES += ["reg:expectileerror"]
SPECIAL = np.array([np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38], np.float32)
CATEGORIES = np.array([-1, -0.5, 0, 0.5, 1, 2.9, 31, 32, 33, 63, 64, 65, 100, 1000, 16777215, 16777216, 1e9, np.nan], np.float32)


def thresholds(booster):
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = trees.get("gbtree", trees)["model"].get("trees", [])
    return np.array([c for t in trees for c, l in zip(t["split_conditions"], t["left_children"]) if l >= 0], np.float32)


def labels(objective, classes, count, random):
    if classes > 1:
        return random.integers(0, classes, count)
    if objective.startswith(("reg:gamma", "reg:tweedie", "reg:squaredlog", "survival")):
        return random.random(count) * 5 + 0.1
    if objective in ("reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "reg:pseudohubererror", "reg:squarederror"):
        return random.standard_normal(count) * 3
    return random.integers(0, 2, count)


def make(folder, random):
    features = int(random.choice([1, 3, 17, 40, 64, 65, 90, 140]))
    rows = random.standard_normal((int(random.integers(40, 400)), features)).astype(np.float32)
    rows[random.random(rows.shape) < random.choice([0, 0.2])] = np.nan
    objective = str(random.choice(OBJECTIVES))
    classes = int(random.integers(3, 6)) if objective.startswith("multi:") else 1
    wanted = labels(objective, classes, len(rows), random)
    parameters = {
        "objective": objective, "max_depth": int(random.integers(1, 10)), "eta": float(random.choice([0.1, 0.3, 1])),
        "tree_method": str(random.choice(["exact", "hist"])), "min_child_weight": float(random.choice([0, 1])),
        "booster": str(random.choice(["gbtree", "dart", "gblinear"], p=[0.64, 0.3, 0.06])), "rate_drop": 0.2, "verbosity": 0, "nthread": 1,
        "base_score": 0.5, "num_parallel_tree": int(random.choice([1, 1, 3])), "subsample": 0.8,
        "seed": int(random.integers(1 << 30)),
    }
    if parameters["booster"] != "dart":
        del parameters["rate_drop"]
    if parameters["booster"] == "gblinear":
        for name in ("max_depth", "tree_method", "min_child_weight", "num_parallel_tree", "subsample"):
            del parameters[name]
    if random.random() < 0.3:
        del parameters["base_score"]
    if classes > 1:
        parameters["num_class"] = classes
    if objective in ("reg:quantileerror", "reg:expectileerror"):
        parameters[objective[4:-5] + "_alpha"] = 0.3 if random.random() < 0.3 else [0.1, 0.5, 0.9]
    categorical = []
    is_hist = parameters.get("tree_method") == "hist"
    if is_hist and random.random() < 0.4:
        categorical = [column for column in range(features) if random.random() < 0.4]
        parameters["max_cat_to_onehot"] = int(random.choice([1, 4, 100]))
    for column in categorical:
        rows[:, column] = random.integers(0, int(random.choice([2, 5, 40, 70])), len(rows))
    if VERSION >= (2, 0) and is_hist and not objective.startswith(("rank", "survival")) and random.random() < 0.3:
        parameters["multi_strategy"] = "multi_output_tree"
    if objective in ("reg:squarederror", "reg:pseudohubererror", "binary:logistic") and random.random() < 0.3:
        wanted = (random.standard_normal((len(rows), 3)) > 0).astype(np.float32)
    kinds = ["c" if column in categorical else "q" for column in range(features)]
    options = {"feature_types": kinds, "enable_categorical": True} if categorical else {}
    data = xgboost.DMatrix(rows, wanted, **options)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", wanted)
        data.set_float_info("label_upper_bound", np.where(random.random(len(rows)) < 0.3, np.inf, wanted))
    if objective.startswith("rank"):
        data.set_group([len(rows)])
    try:
        booster = xgboost.train(parameters, data, int(random.integers(1, 30)))
    except xgboost.core.XGBoostError as error:
        # Parameters that do not go together.
        print(str(error).split("\n")[0][-200:], file=sys.stderr)
        return False
    probes = random.standard_normal((60, features)).astype(np.float32)
    forest_scripts.put_in(random, probes, SPECIAL, thresholds(booster))
    for column in categorical:
        probes[:, column] = np.where(random.random(60) < 0.4, random.choice(CATEGORIES, 60), random.integers(0, 80, 60))
    folder.mkdir(parents=True)
    booster.save_model(folder / f"model.{random.choice(['json', 'ubj', 'bin'] if VERSION < (3, 0) and not categorical else ['json', 'ubj'])}")
    matrix = xgboost.DMatrix(probes, **options)
    np.save(folder / "rows.npy", probes)
    np.save(folder / "margin.npy", booster.predict(matrix, output_margin=True).astype(np.float32))
    np.save(folder / "predicted.npy", booster.predict(matrix).astype(np.float32))
    if "multi_strategy" not in parameters:
        np.save(folder / "contributions.npy", booster.predict(matrix, pred_contribs=True).astype(np.float32))
    if parameters["booster"] != "gblinear":
        np.save(folder / "leaf.npy", booster.predict(matrix, pred_leaf=True).astype(np.int32).reshape(len(probes), -1))
    return True


if __name__ == "__main__":
    forest_scripts.run(__doc__, make)
