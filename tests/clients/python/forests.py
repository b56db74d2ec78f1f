#!/usr/bin/python3
"""Trains random XGBoost models and writes them with rows and the library's results: forests.py FOLDER SEED COUNT

Each of COUNT folders gets model.json, model.ubj or model.bin, rows.npy, margin.npy, leaf.npy and contributions.npy. Rows hold NaN, infinities,
denormals, zeros of both signs, and exact thresholds of the model. Needs Debian's python3-xgboost.
"""

import json
import pathlib
import sys

import numpy as np
import xgboost

OBJECTIVES = ["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson", "rank:pairwise", "binary:hinge"]
SPECIAL = np.array([np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38], np.float32)


def thresholds(booster):
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = trees.get("gbtree", trees)["model"]["trees"]
    return np.array([c for t in trees for c, l in zip(t["split_conditions"], t["left_children"]) if l >= 0], np.float32)


def make(folder, random):
    features = int(random.choice([1, 3, 17, 40, 64, 65, 90, 140]))
    rows = random.standard_normal((int(random.integers(40, 400)), features)).astype(np.float32)
    rows[random.random(rows.shape) < random.choice([0, 0.2])] = np.nan
    objective = str(random.choice(OBJECTIVES))
    classes = int(random.integers(3, 6)) if objective == "multi:softprob" else 1
    wanted = random.integers(0, classes if classes > 1 else 2, len(rows))
    parameters = {
        "objective": objective, "max_depth": int(random.integers(1, 10)), "eta": float(random.choice([0.1, 0.3, 1])),
        "tree_method": str(random.choice(["exact", "hist"])), "min_child_weight": float(random.choice([0, 1])),
        "booster": str(random.choice(["gbtree", "gbtree", "dart"])), "rate_drop": 0.2, "verbosity": 0,
        "base_score": 0.5, "num_parallel_tree": int(random.choice([1, 1, 3])), "subsample": 0.8,
        "seed": int(random.integers(1 << 30)),
    }
    if parameters["booster"] != "dart":
        del parameters["rate_drop"]
    if classes > 1:
        parameters["num_class"] = classes
    data = xgboost.DMatrix(rows, wanted)
    if objective.startswith("rank"):
        data.set_group([len(rows)])
    booster = xgboost.train(parameters, data, int(random.integers(1, 30)))
    probes = random.standard_normal((60, features)).astype(np.float32)
    for values in (SPECIAL, thresholds(booster)):
        where = random.random(probes.shape) < 0.15
        if len(values):
            probes[where] = random.choice(values, int(where.sum()))
    folder.mkdir(parents=True)
    booster.save_model(folder / f"model.{random.choice(['json', 'ubj', 'bin'])}")
    matrix = xgboost.DMatrix(probes)
    np.save(folder / "rows.npy", probes)
    np.save(folder / "margin.npy", booster.predict(matrix, output_margin=True).astype(np.float32))
    np.save(folder / "contributions.npy", booster.predict(matrix, pred_contribs=True).astype(np.float32))
    np.save(folder / "leaf.npy", booster.predict(matrix, pred_leaf=True).astype(np.int32).reshape(len(probes), -1))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    random = np.random.default_rng(int(sys.argv[2]))
    for i in range(int(sys.argv[3])):
        make(pathlib.Path(sys.argv[1]) / str(i), random)


if __name__ == "__main__":
    main()
