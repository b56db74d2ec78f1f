import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Needs no config.pbtxt, counts what it does, and writes its answer where the server reads it."""

    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_FP32", "dims": [-1]})
        config.add_output({"name": "UNIT", "data_type": "TYPE_FP32", "dims": [-1]})
        config.set_max_batch_size(16)
        config.set_dynamic_batching()
        return config

    def initialize(self, args):
        self.name = args["model_name"]
        self.limit = json.loads(args["model_config"])["max_batch_size"]
        family = pb_utils.MetricFamily("normalised_rows", "Rows that were normalised", pb_utils.MetricFamily.COUNTER)
        self.rows = family.Metric({"model": self.name})
        pb_utils.Logger.log_info("%s takes up to %d rows" % (self.name, self.limit))

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
            # An array of pb_utils.empty is sent without a copy; an extension of this server.
            unit = pb_utils.empty(x.shape, np.float32)
            np.divide(x, np.linalg.norm(x, axis=1, keepdims=True), out=unit)
            self.rows.increment(len(x))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("UNIT", unit)]))
        return responses

    def is_ready(self):
        return True

    def finalize(self):
        pb_utils.Logger.log_info("%s ends" % self.name)
