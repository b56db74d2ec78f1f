import threading

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        # Returns at once, so that further requests come while this one's responses are sent.
        for request in requests:
            to = int(pb_utils.get_input_tensor_by_name(request, "TO").as_numpy()[0])
            threading.Thread(target=self.count, args=(request.get_response_sender(), to), daemon=True).start()

    def count(self, sender, to):
        for n in range(1, to + 1):
            if sender.is_cancelled():
                break
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("N", np.array([n], np.int32))]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
