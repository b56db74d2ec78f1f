#!/usr/bin/python3
"""Trains random LightGBM models and writes them with rows and the library's results: lightgbm_forests.py FOLDER SEED COUNT

Each of COUNT folders gets model.txt, rows.npy, raw.npy, predicted.npy, leaf.npy, part.npy (raw, of the rounds in rounds.npy), and, but for
linear trees, contributions.npy. Rows hold NaN, infinities, what counts as zero and what just does not, exact thresholds of the model, and
categories that are negative, fractional, unseen and too large. Needs the lightgbm package, which Debian does not have.
"""

import re

import lightgbm
import numpy as np

import forest_scripts

OBJECTIVES = [
    "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie", "binary", "multiclass", "multiclassova",
    "cross_entropy", "cross_entropy_lambda", "lambdarank", "rank_xendcg", "custom",
]
ZERO = float(np.float32(1e-35))
SPECIAL = np.array([
    np.nan, np.inf, -np.inf, 0.0, -0.0, ZERO, -ZERO, np.nextafter(ZERO, 1), np.nextafter(-ZERO, -1), 1e-300, 5e-324, 1e300, -1e300,
    1e-35, -1e-35])
CATEGORIES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, 2.9, 3.0, 31.0, 32.0, 33.0, 64.0, 100.0, 1e9, 2147483647.0, 2147483648.0, 1e20, np.nan, np.inf, -np.inf])


def thresholds(text):
    found = []
    for line in re.findall(r"^threshold=(.*)$", text, re.M):
        found += [float(value) for value in line.split()]
    return np.array(found)


def pick(random, *values):
    return values[int(random.integers(len(values)))]


def make(folder, random):
    features = pick(random, 1, 3, 8, 17, 40, 65, 140)
    count = int(random.integers(60, 400))
    rows = random.standard_normal((count, features)) * pick(random, 1, 1, 1e-3, 1e6)
    if random.random() < 0.3:
        rows = np.round(rows, int(random.integers(0, 3)))
    rows[random.random(rows.shape) < pick(random, 0, 0.2)] = np.nan
    rows[random.random(rows.shape) < pick(random, 0, 0.3)] = 0
    categorical = [c for c in range(features) if random.random() < 0.3] if random.random() < 0.4 else []
    for column in categorical:
        rows[:, column] = random.integers(0, pick(random, 2, 5, 40, 70, 300), count)
    objective = pick(random, *OBJECTIVES)
    classes = int(random.integers(3, 6)) if objective in ("multiclass", "multiclassova") else 1
    signal = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, -1]) + random.standard_normal(count)
    signal = (signal - signal.mean()) / max(signal.std(), 1e-9)
    wanted = {
        "binary": (signal > 0).astype(float), "cross_entropy": 1 / (1 + np.exp(-signal)), "cross_entropy_lambda": 1 / (1 + np.exp(-signal)),
        "poisson": np.floor(np.exp(signal)), "gamma": np.exp(signal) + 0.01, "tweedie": np.floor(np.exp(signal)),
        "lambdarank": random.integers(0, 4, count).astype(float), "rank_xendcg": random.integers(0, 4, count).astype(float),
    }.get(objective, signal * pick(random, 1, 1, 1000))
    if classes > 1:
        wanted = random.integers(0, classes, count).astype(float)
    linear = not objective.startswith(("regression_l1", "lambda", "rank")) and random.random() < 0.15
    boosting = "gbdt" if linear else pick(random, "gbdt", "gbdt", "gbdt", "dart", "rf")
    parameters = {
        "objective": objective, "num_leaves": pick(random, 2, 3, 7, 31, 63), "max_depth": pick(random, -1, -1, 2, 6),
        "learning_rate": pick(random, 0.05, 0.1, 1.0), "min_data_in_leaf": pick(random, 1, 5, 20), "min_data_per_group": pick(random, 1, 10),
        "cat_smooth": pick(random, 0.0, 10.0), "max_cat_to_onehot": pick(random, 1, 4, 64), "max_bin": pick(random, 15, 63, 255, 1000),
        "min_data_in_bin": pick(random, 1, 3), "use_missing": bool(random.random() < 0.85), "zero_as_missing": bool(random.random() < 0.2),
        "boost_from_average": bool(random.random() < 0.7), "boosting": boosting, "linear_tree": linear, "verbosity": -1, "num_threads": 1,
        "seed": int(random.integers(1 << 30)), "extra_trees": bool(random.random() < 0.2), "lambda_l1": pick(random, 0.0, 0.5),
        "path_smooth": pick(random, 0.0, 1.0), "max_delta_step": pick(random, 0.0, 0.7), "deterministic": True,
    }
    if boosting == "rf":
        parameters.update(bagging_freq=1, bagging_fraction=0.6, feature_fraction=0.8)
    elif boosting == "gbdt" and not linear and random.random() < 0.3:
        parameters["data_sample_strategy"] = "goss"
    if boosting == "dart":
        parameters.update(drop_rate=0.5, xgboost_dart_mode=bool(random.random() < 0.5), uniform_drop=bool(random.random() < 0.5))
    if classes > 1:
        parameters["num_class"] = classes
    if objective in ("binary", "multiclassova", "lambdarank"):
        parameters["sigmoid"] = pick(random, 1.0, 0.7, 2.5)
    if objective in ("binary", "multiclassova"):
        parameters["is_unbalance"] = bool(random.random() < 0.3)
    if objective == "regression":
        parameters["reg_sqrt"] = bool(random.random() < 0.3)
    if objective == "tweedie":
        parameters["tweedie_variance_power"] = pick(random, 1.1, 1.5, 1.9)
    if objective == "custom":
        parameters["objective"] = lambda predicted, data: (predicted - data.get_label(), np.ones(len(predicted)))
    group = [count] if objective in ("lambdarank", "rank_xendcg") else None
    weight = random.random(count) + 0.1 if random.random() < 0.3 else None
    start = random.standard_normal(count) if classes == 1 and boosting != "rf" and random.random() < 0.1 else None
    data = lightgbm.Dataset(rows, wanted, group=group, weight=weight, init_score=start, categorical_feature=categorical, params=parameters)
    try:
        booster = lightgbm.train(parameters, data, int(random.integers(1, 25)))
        if boosting == "gbdt" and objective != "custom" and random.random() < 0.2:
            # Trained on; such a model may be read from a file.
            more = lightgbm.Dataset(rows, wanted, group=group, weight=weight, categorical_feature=categorical, params=parameters)
            booster = lightgbm.train(parameters, more, int(random.integers(1, 10)), init_model=booster)
    except lightgbm.basic.LightGBMError:
        # Parameters that do not go together.
        return False
    probes = random.standard_normal((60, features)) * pick(random, 1, 1, 1e-3, 1e6)
    text = booster.model_to_string()
    forest_scripts.put_in(random, probes, SPECIAL, thresholds(text), np.nextafter(thresholds(text), np.inf))
    for column in categorical:
        probes[:, column] = np.where(random.random(60) < 0.4, random.choice(CATEGORIES, 60), random.integers(0, 310, 60))
    folder.mkdir(parents=True)
    (folder / "model.txt").write_text(text)
    rounds = booster.current_iteration()
    first = int(random.integers(0, rounds))
    part = (first, int(random.integers(1, rounds - first + 1)))
    results = {
        "rows": probes, "raw": booster.predict(probes, raw_score=True), "predicted": booster.predict(probes),
        "rounds": np.array(part, np.int32), "part": booster.predict(probes, raw_score=True, start_iteration=part[0], num_iteration=part[1]),
    }
    if not linear:
        results["contributions"] = booster.predict(probes, pred_contrib=True)
    for name, values in results.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(values))
    np.save(folder / "leaf.npy", np.asarray(booster.predict(probes, pred_leaf=True)).astype(np.int32).reshape(len(probes), -1))
    return True


if __name__ == "__main__":
    forest_scripts.run(__doc__, make)
