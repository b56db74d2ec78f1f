#!/usr/bin/python3
"""Trains the forests that perf/forests.sh measures, on random data of 32 features: perf/make_forests.py FOLDER

Needs Debian's python3-xgboost: scripts/install-test.sh --models.
"""

import pathlib
import sys

import numpy as np
import xgboost

FORESTS = [(100, 6), (500, 6), (1000, 8)]
ROWS, FEATURES = 20_000, 32


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


if __name__ == "__main__":
    main()
