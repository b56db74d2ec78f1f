#!/usr/bin/python3
"""Reports to the server as a container with ClearML's SDK does: session.py ADDRESS ACCESS SECRET

Written from the interface (spec clearml 6.1), with nothing but the standard library: log in with the keys, send the token with every
call, GET with a JSON body, log in again when a call is refused. Prints "ok session".
"""

import base64
import json
import sys
import urllib.error
import urllib.request

LIMIT = 60
REPORT = {
    "container_id": "from-python", "endpoint_name": "e", "model_name": "m", "endpoint_url": "http://e", "tags": None,
    "reference": [{"type": "task", "value": "t"}], "uptime_sec": 5, "requests_num": 7, "requests_min": 1.5, "latency_ms": 20,
    "machine_stats": {"cpu_usage": [1.5], "memory_used": 10.0, "memory_free": 20.0},
}


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


class Session:
    def __init__(self, address, access, secret):
        self.address = address.rstrip("/")
        self.basic = "Basic " + base64.b64encode(f"{access}:{secret}".encode()).decode()
        self.token = None
        self.logins = 0

    def send(self, path, authorization, body=None, method="GET"):
        headers = {"Authorization": authorization, "X-ClearML-Worker": "host", "X-ClearML-Client": "api-2.0, clearml-2.0", "X-ClearML-Async": "1"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.address}/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def login(self, authorization=None, seconds=None):
        self.logins += 1
        query = f"?expiration_sec={seconds}" if seconds else ""
        status, answer = self.send("auth.login" + query, authorization or self.basic)
        if status != 200:
            raise PermissionError(status, answer["meta"]["result_msg"])
        expect(answer["meta"]["result_code"] == 200 and answer["meta"]["endpoint"]["name"] == "auth.login", answer)
        self.token = answer["data"]["token"]

    def claims(self):
        part = self.token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def call(self, action, body, prefix="", method="GET"):
        if self.token is None:
            self.login()
        status, answer = self.send(f"{prefix}serving.{action}", "Bearer " + self.token, body, method)
        if status == 401:
            self.login()
            status, answer = self.send(f"{prefix}serving.{action}", "Bearer " + self.token, body, method)
        expect(status == 200, answer)
        return answer["data"]


def main(address, access, secret):
    session = Session(address, access, secret)
    session.login()
    claims = session.claims()
    expect(claims["exp"] - claims["iat"] == 24 * 3600, claims)
    expect(claims["api_version"] == "2.31" and claims["feature_set"] == "basic", claims)
    expect(all(part.isdigit() for part in claims["server_version"].split(".")), claims)

    session.call("register_container", {key: REPORT[key] for key in ("container_id", "endpoint_name", "model_name")})
    loading = session.call("get_loading_instances", {}, "v2.31/")["instances"]
    expect([row["id"] for row in loading] == ["from-python"], loading)
    session.call("container_status_report", REPORT, "api/v2.31/", "PUT")
    rows = session.call("get_endpoints", {}, "api/", "POST")["endpoints"]
    expect([(row["url"], row["requests"], row["latency_ms"]) for row in rows] == [("http://e", 7, 20)], rows)

    session.login("Bearer " + session.token, 60)
    renewed = session.claims()
    expect(renewed["exp"] - renewed["iat"] == 60 and renewed["sub"] == claims["sub"], renewed)
    session.call("get_endpoints", {})

    before = session.logins
    session.token = "what.is.this"
    session.call("unregister_container", {"container_id": "from-python"})
    print("logged in again" if session.logins > before else "never refused")
    try:
        Session(address, access, "not " + secret).login()
        print("wrong key taken")
    except PermissionError as error:
        expect(error.args[0] == 401 and "API key" in error.args[1], error)
        print("wrong key refused")
    print("ok session")


if __name__ == "__main__":
    main(*sys.argv[1:])
