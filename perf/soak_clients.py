"""Behaves as clients do over a day, quicker: soak_clients.py GRPC_PORT HTTP_PORT SECONDS. Prints counts as JSON; exits 1 on a wrong answer.

Calls of all sizes, some cancelled halfway, some with deadlines that pass, streams that end early, connections that come and go (some in the
middle of a call), requests over HTTP, reloads, and garbage on the port. Messages are made by hand: the wire format is all that counts.
"""

import collections
import http.client
import json
import random
import socket
import struct
import sys
import threading
import time

import grpc
import numpy as np

GRPC, HTTP, SECONDS = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
END = time.monotonic() + SECONDS
counts = collections.Counter()
SERVICE = "/inference.GRPCInferenceService/"


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def request(model, tensors):
    message = field(1, model.encode())
    for name, datatype, array in tensors:
        dims = b"".join(varint(size) for size in array.shape)
        message += field(5, field(1, name.encode()) + field(2, datatype.encode()) + field(3, dims))
    for _, _, array in tensors:
        message += field(7, array.tobytes())
    return message


def expect(is_right, what):
    if not is_right:
        counts["wrong: " + what] += 1


def ended(error, *codes):
    counts[error.code().name.lower()] += 1
    expect(error.code() in codes, f"{error.code().name}: {error.details()}")


def channel(rng):
    # With retries, the C core 1.51 itself drops messages of streams while the machine is busy.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
               ("grpc.enable_retries", 0)]
    return grpc.insecure_channel(f"127.0.0.1:{GRPC}", options + [("soak", rng.random())])


def add_sub(rng):
    left = np.arange(16, dtype=np.int32).reshape(1, 16) * rng.randrange(100)
    right = np.full((1, 16), rng.randrange(100), np.int32)
    return request("add_sub", [("INPUT0", "INT32", left), ("INPUT1", "INT32", right)]), (left + right).tobytes()


def call_unary(rng, infer):
    for _ in range(rng.randrange(200)):
        message, total = add_sub(rng)
        expect(total in infer(message, timeout=30), "a sum")
        counts["unary"] += 1


def call_large(rng, infer):
    array = np.full((1, rng.randrange(1, 1 << rng.randrange(1, 23))), rng.random(), np.float32)
    answer = infer(request("identity", [("INPUT0", "FP32", array)]), timeout=60)
    expect(array.tobytes() in answer, "an echo")
    counts["large"] += 1


def call_cancelled(rng, infer):
    array = np.zeros((1, 1 << 20), np.float32)
    calls = [infer.future(request("identity", [("INPUT0", "FP32", array)]), timeout=60) for _ in range(4)]
    time.sleep(rng.random() / 50)
    for call in calls:
        call.cancel()
    counts["cancelled calls"] += len(calls)


def call_hurried(rng, infer):
    try:
        infer(add_sub(rng)[0], timeout=rng.random() / 500)
        counts["in time"] += 1
    except grpc.RpcError as error:
        ended(error, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def call_wrong(rng, infer):
    try:
        infer(rng.randbytes(rng.randrange(64)) if rng.random() < 0.5 else request("nobody", []), timeout=30)
    except grpc.RpcError as error:
        ended(error, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL)


def call_stream(rng, connection):
    stream = connection.stream_stream(SERVICE + "ModelStreamInfer")
    messages = [add_sub(rng) for _ in range(rng.randrange(1, 50))]
    answers = stream(iter([message for message, _ in messages]), timeout=60)
    stop = rng.randrange(100)
    count = 0
    for answer in answers:
        expect(count < len(messages) and messages[count][1] in answer, "a sum on a stream")
        counts["streamed"] += 1
        if count == stop:
            answers.cancel()
            return
        count += 1
    expect(count == len(messages), "the answers on a stream")


def work(seed):
    rng = random.Random(seed)
    while time.monotonic() < END:
        with channel(rng) as connection:
            infer = connection.unary_unary(SERVICE + "ModelInfer")
            for _ in range(rng.randrange(1, 20)):
                kind = rng.choice([call_unary, call_large, call_cancelled, call_hurried, call_wrong, call_stream])
                try:
                    kind(rng, connection if kind is call_stream else infer)
                except grpc.RpcError as error:
                    ended(error)
                time.sleep(rng.random() / 3)
            if rng.random() < 0.3:  # Closes the connection in the middle of a call.
                infer.future(request("identity", [("INPUT0", "FP32", np.zeros((1, 1 << 22), np.float32))]))
        counts["connections"] += 1


def be_rude():
    rng = random.Random(99)
    while time.monotonic() < END:
        with socket.create_connection(("127.0.0.1", GRPC)) as peer:
            peer.sendall((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" if rng.random() < 0.7 else b"") + rng.randbytes(rng.randrange(1000)))
            if rng.random() < 0.5:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        counts["rude peers"] += 1
        time.sleep(0.2)


def use_http():
    body = json.dumps({"inputs": [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": list(range(16))} for name in ("INPUT0", "INPUT1")]})
    while time.monotonic() < END:
        connection = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=60)
        for _ in range(20):
            connection.request("POST", "/v2/models/add_sub/infer", body)
            answer = json.loads(connection.getresponse().read())
            outputs = {output["name"]: output["data"] for output in answer["outputs"]}
            expect(outputs["OUTPUT0"] == [2 * value for value in range(16)], "a sum over HTTP")
            counts["http"] += 1
        connection.request("GET", "/v2/models/add_sub/config")
        config = json.loads(connection.getresponse().read())
        config.setdefault("parameters", {})["round"] = {"string_value": str(time.monotonic())}
        connection.request("POST", "/v2/repository/models/add_sub/load", json.dumps({"parameters": {"config": json.dumps(config)}}))
        response = connection.getresponse()
        response.read()
        expect(response.status == 200, f"a reload: {response.status}")
        counts["reloads"] += 1
        connection.close()
        time.sleep(0.5)


def watched(target, *args):
    try:
        target(*args)
    except Exception as error:  # The others go on; the run fails.
        counts[f"wrong: {target.__name__} ended with {error!r}"] += 1


threads = [threading.Thread(target=watched, args=args) for args in [(work, 0), (work, 1), (work, 2), (be_rude,), (use_http,)]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(counts))
sys.exit(any(name.startswith("wrong") for name in counts))
