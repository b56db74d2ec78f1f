import os
import socket
import threading
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Does what it is told, none of it good."""

    def execute(self, requests):
        return [self.one(pb_utils.get_input_tensor_by_name(request, "WHAT").as_numpy()[0].decode()) for request in requests]

    def one(self, what):
        if what == "loop":
            while True:
                pass
        if what == "sleep":
            time.sleep(3600)
        if what == "hog":
            hoard = []
            while True:
                hoard.append(np.ones(1 << 22))
        if what == "large":
            return self.answer(np.broadcast_to(np.float32(1), (1 << 28,)))
        if what == "garbage":
            socket.socket(fileno=os.dup(3)).sendall(os.urandom(4096))
            time.sleep(3600)
        if what == "long garbage":  # Begins like the length of a frame that goes on.
            socket.socket(fileno=os.dup(3)).sendall(b"\0\0\x10\0" + b"\xff" * 4092)
            time.sleep(3600)
        if what == "frames":
            socket.socket(fileno=os.dup(3)).sendall(b"\x10\0\0\0\x42\0\0\0" + bytes(8))
            time.sleep(3600)
        if what == "wrong length":
            return None
        if what == "text":
            return "not a response"
        if what == "threads":
            threading.Thread(target=time.sleep, args=(3600,)).start()
            raise SystemExit(5)
        return self.answer(np.array([os.getpid()], np.float32))

    def answer(self, array):
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", array)])
