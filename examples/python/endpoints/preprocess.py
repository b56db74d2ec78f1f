"""The code of a ClearML endpoint with engine sklearn, xgboost or lightgbm: body in, body out."""

import numpy as np


class Preprocess:
    def preprocess(self, body, state, collect_custom_statistics_fn=None):
        if "features" not in body:
            raise ValueError("the body must hold 'features'")
        state["count"] = len(body["features"])
        if collect_custom_statistics_fn:
            collect_custom_statistics_fn({"features": state["count"]})
        return np.atleast_2d(np.asarray(body["features"], dtype=np.float64))

    def postprocess(self, data, state, collect_custom_statistics_fn=None):
        return {"y": np.asarray(data).tolist(), "features": state["count"]}
