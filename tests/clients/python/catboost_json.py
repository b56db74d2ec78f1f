#!/usr/bin/env python3
"""Writes random models in the form of CatBoost's JSON export, with rows and their scores: catboost_json.py FOLDER SEED COUNT

Each model gets N.json and N.bin: rows of doubles, the columns and then the scores, worked out here from the description of the
format alone. Uses the standard library only.
"""

import json
import math
import pathlib
import random
import struct
import sys


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def make(chance):
    columns, outputs = chance.randint(1, 6), chance.choice([1, 1, 3])
    treatments = [chance.choice(["AsIs", "AsFalse", "AsTrue"]) for _ in range(columns)]
    trees = []
    for _ in range(chance.randint(1, 12)):
        depth = chance.randint(0, 7)
        trees.append({
            "splits": [{"split_type": "FloatFeature", "float_feature_index": chance.randrange(columns),
                        "border": single(chance.gauss(0, 1)), "split_index": 0} for _ in range(depth)],
            "leaf_values": [chance.gauss(0, 1) for _ in range(outputs << depth)],
            "leaf_weights": [chance.randint(1, 9) for _ in range(1 << depth)]})
    bias = [chance.gauss(0, 1) for _ in range(outputs)]
    return {
        "features_info": {"float_features": [
            {"feature_index": i, "flat_feature_index": i, "feature_id": "", "nan_value_treatment": t} for i, t in enumerate(treatments)]},
        "model_info": {"params": {"loss_function": {"type": "MultiClass" if outputs > 1 else "RMSE"}}},
        "oblivious_trees": trees, "scale_and_bias": [chance.choice([1, 0.5, 1.5]), bias]}


def score(model, row):
    treatments = [feature["nan_value_treatment"] for feature in model["features_info"]["float_features"]]
    scale, bias = model["scale_and_bias"]
    sums = [0.0] * len(bias)
    for tree in model["oblivious_trees"]:
        leaf = 0
        for bit, split in enumerate(tree["splits"]):
            value, column = row[split["float_feature_index"]], split["float_feature_index"]
            above = treatments[column] == "AsTrue" if math.isnan(value) else single(value) > split["border"]
            leaf |= above << bit
        for output in range(len(bias)):
            sums[output] += tree["leaf_values"][leaf * len(bias) + output]
    return [total * scale + start for total, start in zip(sums, bias)]


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, chance = pathlib.Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    for number in range(int(sys.argv[3])):
        model = make(chance)
        borders = [split["border"] for tree in model["oblivious_trees"] for split in tree["splits"]] or [0.0]
        (folder / ("%d.json" % number)).write_text(json.dumps(model))
        with open(folder / ("%d.bin" % number), "wb") as stream:
            for _ in range(30):
                row = [chance.choice([chance.gauss(0, 1), chance.choice(borders), math.nextafter(chance.choice(borders), 9), math.nan])
                       for _ in model["features_info"]["float_features"]]
                stream.write(struct.pack("<%dd" % (len(row) + len(model["scale_and_bias"][1])), *row, *score(model, row)))


if __name__ == "__main__":
    main()
