"""Reloads a model at a rate, each time with a configuration that differs: reload_model.py HTTP_PORT MODEL RATE SECONDS."""

import http.client
import json
import sys
import time

port, model, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
connection = http.client.HTTPConnection("127.0.0.1", int(port))
connection.request("GET", f"/v2/models/{model}/config")
config = json.loads(connection.getresponse().read())
end = time.monotonic() + seconds
took = []
while (start := time.monotonic()) < end:
    config.setdefault("parameters", {})["round"] = {"string_value": str(start)}
    body = json.dumps({"parameters": {"config": json.dumps(config)}})
    connection.request("POST", f"/v2/repository/models/{model}/load", body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        sys.exit(f"a reload failed: {response.status} {answer.decode()}")
    took.append(time.monotonic() - start)
    time.sleep(max(0.0, 1 / rate - took[-1]))
print(f"{len(took)} reloads, {1e3 * sum(took) / len(took):.1f} ms each")
