import os
import sys

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.one(pb_utils.get_input_tensor_by_name(request, "NAME").as_numpy()[0].decode()) for request in requests]

    def one(self, name):
        known = {
            "nice": os.nice(0), "cpus": sorted(os.sched_getaffinity(0)), "session": os.getsid(0) == os.getpid(),
            "interpreter": sys.executable, "bytecode": sys.dont_write_bytecode,
        }
        print("asked for", name)
        value = known[name] if name in known else os.environ.get(name, "")
        return pb_utils.InferenceResponse([pb_utils.Tensor("VALUE", np.array([str(value)], dtype=object))])
