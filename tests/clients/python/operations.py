#!/usr/bin/python3
"""Calls the server with grpcio as operators' clients do: operations.py CASE ADDRESS FOLDER [ROOT [CERT KEY]]

FOLDER gets the stubs that are generated from protos/. CASE: settings, tls, tls-refused, auth. Prints "ok CASE".
"""

import pathlib
import sys

import grpc

import client

LIMIT = 60


def channel(address, files):
    if not files:
        return grpc.insecure_channel(address)
    parts = [pathlib.Path(name).read_bytes() for name in files]
    root, cert, key = parts[0], parts[1] if len(parts) > 1 else None, parts[2] if len(parts) > 2 else None
    credentials = grpc.ssl_channel_credentials(root_certificates=root, certificate_chain=cert, private_key=key)
    return grpc.secure_channel(address, credentials)


def fails(call, code, text):
    try:
        call()
    except grpc.RpcError as error:
        client.expect(error.code() == code, f"{error.code()}: {error.details()}")
        client.expect(text in error.details(), error.details())
        return
    raise AssertionError(f"no {code}")


def settings(stub, pb):
    answer = stub.LogSettings(pb.LogSettingsRequest(), timeout=LIMIT)
    client.expect(answer.settings["log_info"].bool_param, "log_info")
    request = pb.LogSettingsRequest()
    request.settings["log_verbose_level"].uint32_param = 2
    client.expect(stub.LogSettings(request, timeout=LIMIT).settings["log_verbose_level"].uint32_param == 2, "level")
    request = pb.LogSettingsRequest()
    request.settings["log_file"].string_param = "x"
    fails(lambda: stub.LogSettings(request, timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED,
          "log file location can not be updated through network protocol")

    request = pb.TraceSettingRequest(model_name="add_sub_int32")
    request.settings["trace_rate"].value.append("5")
    answer = stub.TraceSetting(request, timeout=LIMIT)
    client.expect(list(answer.settings["trace_rate"].value) == ["5"], "rate")
    client.expect(list(answer.settings["trace_level"].value) == ["OFF"], "level")
    fails(lambda: stub.TraceSetting(pb.TraceSettingRequest(model_name="nobody"), timeout=LIMIT),
          grpc.StatusCode.INVALID_ARGUMENT, "Request for unknown model : nobody")


def auth(stub, pb):
    allowed = [("authorization", "Bearer key-of-alice")]
    client.check_sum(stub.ModelInfer(client.add_sub(pb), metadata=allowed, timeout=LIMIT))
    fails(lambda: stub.ModelInfer(client.add_sub(pb), timeout=LIMIT), grpc.StatusCode.UNAUTHENTICATED, "credentials are missing")
    wrong = [("authorization", "Bearer wrong")]
    fails(lambda: stub.ModelInfer(client.add_sub(pb), metadata=wrong, timeout=LIMIT),
          grpc.StatusCode.UNAUTHENTICATED, "credentials are not valid")
    fails(lambda: stub.RepositoryIndex(pb.RepositoryIndexRequest(), metadata=allowed, timeout=LIMIT),
          grpc.StatusCode.PERMISSION_DENIED, "no scope 'metadata'")
    client.expect(stub.ServerReady(pb.ServerReadyRequest(), timeout=LIMIT).ready, "health needs no key")


def main():
    case, address, folder, files = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4:]
    client.generate(folder)
    from inference.v2 import grpc_service_pb2 as pb
    from inference.v2 import grpc_service_pb2_grpc as services

    with channel(address, files) as open_channel:
        stub = services.GRPCInferenceServiceStub(open_channel)
        if case == "settings":
            settings(stub, pb)
        elif case == "auth":
            auth(stub, pb)
        elif case == "tls":
            client.check_sum(stub.ModelInfer(client.add_sub(pb), timeout=LIMIT))
        else:
            fails(lambda: stub.ModelInfer(client.add_sub(pb), timeout=LIMIT), grpc.StatusCode.UNAVAILABLE, "")
    print("ok", case)


if __name__ == "__main__":
    main()
