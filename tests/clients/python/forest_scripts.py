"""What the scripts that make random forests share."""

import pathlib
import sys

import numpy as np


def run(doc, make):
    """Makes models in folders 0, 1, … as the command line FOLDER SEED COUNT says; `make` returns False where a try made none."""
    if len(sys.argv) != 4:
        sys.exit(doc)
    random = np.random.default_rng(int(sys.argv[2]))
    made = 0
    while made < int(sys.argv[3]):
        made += make(pathlib.Path(sys.argv[1]) / str(made), random) is not False


def put_in(random, rows, *kinds):
    """Replaces some of the values by those of each kind."""
    for values in kinds:
        where = random.random(rows.shape) < 0.15
        if len(values):
            rows[where] = random.choice(values, int(where.sum()))
