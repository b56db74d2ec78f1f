#!/usr/bin/python3
"""Calls the server with grpcio: client.py ADDRESS FOLDER

FOLDER gets the stubs that are generated from protos/. Prints one line per case; exits with 1 when one fails.
"""

import asyncio
import mmap
import os
import pathlib
import struct
import subprocess
import sys

import grpc
import grpc.aio

PROTOS = pathlib.Path(__file__).resolve().parents[3] / "protos"
SERVICE = "inference.GRPCInferenceService"
LIMIT = 60
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def generate(folder):
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    subprocess.run(
        ["protoc", f"--proto_path={PROTOS}", f"--python_out={folder}", f"--grpc_out={folder}",
         "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *files], check=True)
    sys.path.insert(0, str(folder))


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def add_sub(pb, name="add_sub_int32"):
    request = pb.ModelInferRequest(model_name=name, id="ü1")
    for tensor in ("INPUT0", "INPUT1"):
        request.inputs.add(name=tensor, datatype="INT32", shape=[1, 16])
    request.raw_input_contents.append(struct.pack("<16i", *range(16)))
    request.raw_input_contents.append(struct.pack("<16i", *[1] * 16))
    return request


def check_sum(response):
    expect(response.id == "ü1", f"id {response.id}")
    expect(struct.unpack("<16i", response.raw_output_contents[0]) == tuple(range(1, 17)), "wrong sum")


def wide(pb, data):
    request = pb.ModelInferRequest(model_name="wide", raw_input_contents=[data])
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[len(data) // 4])
    return request


def slow(pb, steps):
    request = pb.ModelInferRequest(model_name="slow", raw_input_contents=[struct.pack("<q", steps)])
    request.inputs.add(name="STEPS", datatype="INT64", shape=[])
    return request


class Region:
    """A shared memory object of this process, registered with the server under the name of its key."""

    def __init__(self, pb, stub, size):
        self.pb, self.stub, self.size = pb, stub, size
        self.key = f"/sluice-client-{os.getpid()}"
        self.path = "/dev/shm" + self.key

    async def __aenter__(self):
        with open(self.path, "w+b") as file:
            file.truncate(self.size)
            self.memory = mmap.mmap(file.fileno(), self.size)
        await self.stub.SystemSharedMemoryRegister(
            self.pb.SystemSharedMemoryRegisterRequest(name="py", key=self.key, byte_size=self.size), timeout=LIMIT)
        return self

    async def __aexit__(self, *_):
        os.unlink(self.path)
        await self.stub.SystemSharedMemoryUnregister(self.pb.SystemSharedMemoryUnregisterRequest(name="py"), timeout=LIMIT)
        self.memory.close()

    @staticmethod
    def place(tensor, size, offset):
        tensor.parameters["shared_memory_region"].string_param = "py"
        tensor.parameters["shared_memory_byte_size"].int64_param = size
        tensor.parameters["shared_memory_offset"].int64_param = offset


async def fails_with(call, code):
    try:
        await call
    except grpc.aio.AioRpcError as error:
        expect(error.code() == code, f"{error.code()}, expected {code}: {error.details()}")
        return error.details()
    raise AssertionError(f"the call succeeded, expected {code}")


def repeat(pb, id, values, delays=None, wants_end=False):
    request = pb.ModelInferRequest(model_name="repeat_int32", id=id)
    for name, datatype, data in (("IN", "INT32", values), ("DELAY", "UINT32", delays or [0] * len(values)), ("WAIT", "UINT32", [0])):
        request.inputs.add(name=name, datatype=datatype, shape=[len(data)])
        request.raw_input_contents.append(struct.pack(f"<{len(data)}i", *data))
    if wants_end:
        request.parameters["triton_enable_empty_final_response"].bool_param = True
    return request


def square_faulty(pb, number):
    request = pb.ModelInferRequest(model_name="square_faulty", id="s", raw_input_contents=[struct.pack("<i", number)])
    request.inputs.add(name="IN", datatype="INT32", shape=[1])
    return request


async def next_of(call):
    """The next message of a stream, as (id, value or error, final or not)."""
    message = await asyncio.wait_for(call.read(), LIMIT)
    if message is grpc.aio.EOF:
        return None
    response = message.infer_response
    value = message.error_message or [struct.unpack("<i", raw)[0] for raw in response.raw_output_contents[:1]]
    return response.id, value, response.parameters["triton_final_response"].bool_param


class Cases:
    def __init__(self, channel, pb, stub):
        self.channel, self.pb, self.stub = channel, pb, stub

    async def unary(self):
        check_sum(await self.stub.ModelInfer(add_sub(self.pb), timeout=LIMIT))

    async def typed(self):
        request = add_sub(self.pb)
        del request.raw_input_contents[:]
        request.inputs[0].contents.int_contents.extend(range(16))
        request.inputs[1].contents.int_contents.extend([1] * 16)
        check_sum(await self.stub.ModelInfer(request, timeout=LIMIT))

    async def bidi(self):
        async def requests():
            for _ in range(100):
                yield add_sub(self.pb)

        count = 0
        async for response in self.stub.ModelStreamInfer(requests(), timeout=LIMIT):
            expect(not response.error_message, response.error_message)
            check_sum(response.infer_response)
            count += 1
        expect(count == 100, f"{count} answers")

    async def deadline(self):
        await self.stub.ModelInfer(slow(self.pb, 100_000), timeout=LIMIT)
        await fails_with(self.stub.ModelInfer(slow(self.pb, 1 << 40), timeout=0.2), grpc.StatusCode.DEADLINE_EXCEEDED)
        await self.stub.ModelInfer(slow(self.pb, 3), timeout=LIMIT)

    async def cancel(self):
        await self.stub.ModelInfer(slow(self.pb, 100_000), timeout=LIMIT)
        call = self.stub.ModelInfer(slow(self.pb, 1 << 40), timeout=LIMIT)
        await self.stub.ServerLive(self.pb.ServerLiveRequest(), timeout=LIMIT)
        expect(call.cancel(), "could not be cancelled")
        try:
            await call
            raise AssertionError("the call succeeded")
        except asyncio.CancelledError:
            pass
        await self.stub.ModelInfer(slow(self.pb, 3), timeout=LIMIT)

    async def gzip(self):
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            check_sum(await self.stub.ModelInfer(add_sub(self.pb), timeout=LIMIT, compression=compression))
            data = bytes(1 << 20)
            answer = await self.stub.ModelInfer(wide(self.pb, data), timeout=LIMIT, compression=compression)
            expect(answer.raw_output_contents[0] == data, "other bytes")

    async def errors(self):
        details = await fails_with(
            self.stub.ModelInfer(add_sub(self.pb, "größe-模型"), timeout=LIMIT), grpc.StatusCode.NOT_FOUND)
        expect(details == "Request for unknown model: 'größe-模型' is not found", details)
        request = add_sub(self.pb)
        request.inputs[0].shape[1] = 17
        await fails_with(self.stub.ModelInfer(request, timeout=LIMIT), grpc.StatusCode.INVALID_ARGUMENT)
        unknown = self.channel.unary_unary(f"/{SERVICE}/NoSuchMethod")
        await fails_with(unknown(b"", timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)

    async def shared_memory(self):
        async with Region(self.pb, self.stub, 1 << 20) as region:
            status = await self.stub.SystemSharedMemoryStatus(self.pb.SystemSharedMemoryStatusRequest(), timeout=LIMIT)
            expect(status.regions["py"].byte_size == 1 << 20, f"{status}")
            request = add_sub(self.pb)
            del request.raw_input_contents[:]
            for i, tensor in enumerate(request.inputs):
                region.place(tensor, 64, 64 * i)
                output = request.outputs.add(name=f"OUTPUT{i}")
                region.place(output, 64, 4096 + 64 * i)
            for base in range(50):
                region.memory[:128] = struct.pack("<32i", *range(base, base + 16), *[1] * 16)
                answer = await self.stub.ModelInfer(request, timeout=LIMIT)
                expect(list(answer.raw_output_contents) == [b"", b""], "contents beside shared memory")
                expect(answer.outputs[0].parameters["shared_memory_byte_size"].int64_param == 64, f"{answer}")
                got = struct.unpack("<32i", region.memory[4096:4224])
                expect(got == (*range(base + 1, base + 17), *range(base - 1, base + 15)), f"{got}")
            request = wide(self.pb, bytes(1 << 18))
            del request.raw_input_contents[:]
            region.memory[:1 << 18] = os.urandom(1 << 18)
            region.place(request.inputs[0], 1 << 18, 0)
            region.place(request.outputs.add(name="OUTPUT0"), 1 << 18, 1 << 19)
            await self.stub.ModelInfer(request, timeout=LIMIT)
            expect(region.memory[1 << 19:(1 << 19) + (1 << 18)] == region.memory[:1 << 18], "other bytes")
            region.place(request.inputs[0], 1 << 18, 1 << 20)
            details = await fails_with(
                self.stub.ModelInfer(request, timeout=LIMIT), grpc.StatusCode.INVALID_ARGUMENT)
            expect(details == "Invalid offset for shared memory region: 'py'", details)
        await fails_with(
            self.stub.SystemSharedMemoryStatus(self.pb.SystemSharedMemoryStatusRequest(name="py"), timeout=LIMIT),
            grpc.StatusCode.NOT_FOUND)

    async def classification(self):
        request = add_sub(self.pb)
        request.outputs.add(name="OUTPUT0").parameters["classification"].int64_param = 2
        answer = await self.stub.ModelInfer(request, timeout=LIMIT)
        expect(answer.outputs[0].datatype == "BYTES" and list(answer.outputs[0].shape) == [1, 2], f"{answer}")
        expect(answer.raw_output_contents[0] == b"\5\0\0\x0016:15\5\0\0\x0015:14", f"{answer.raw_output_contents[0]}")

    async def large(self):
        data = bytes(range(256)) * (64 * 1024 * 1024 // 256)
        answer = await self.stub.ModelInfer(wide(self.pb, data), timeout=LIMIT)
        expect(answer.raw_output_contents[0] == data, "other bytes")

    async def streams(self):
        async def one():
            call = self.stub.ModelStreamInfer(timeout=LIMIT)
            for _ in range(2):
                await call.write(add_sub(self.pb))
                check_sum((await call.read()).infer_response)
            await call.done_writing()
            expect(await call.read() is grpc.aio.EOF, "more than was asked for")

        await asyncio.gather(*(one() for _ in range(1000)))

    async def decoupled(self):
        call = self.stub.ModelStreamInfer(timeout=LIMIT)
        await call.write(repeat(self.pb, "a", [5, 6], wants_end=True))
        got = [await next_of(call) for _ in range(3)]
        expect(got == [("a", [5], False), ("a", [6], False), ("a", [], True)], f"{got}")
        await call.write(repeat(self.pb, "b", []))
        await call.write(repeat(self.pb, "c", [1, 2], [0, 3_600_000]))
        expect(await next_of(call) == ("c", [1], False), "c is first")
        await call.write(add_sub(self.pb))
        expect((await call.read()).infer_response.id == "ü1", "an ordinary model waits for a decoupled one")
        await call.write(square_faulty(self.pb, 3))
        got = [await next_of(call) for _ in range(2)]
        expect(got == [("s", "simulated failure", False)] * 2, f"{got}")
        call.cancel()
        details = await fails_with(
            self.stub.ModelInfer(repeat(self.pb, "d", [1]), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)
        expect(details == "ModelInfer RPC doesn't support models with decoupled transaction policy", details)

    async def statuses_of_a_stream(self):
        call = self.stub.ModelStreamInfer(timeout=LIMIT, metadata=(("triton_grpc_error", "true"),))
        await call.write(repeat(self.pb, "a", [1, 2], [0, 3_600_000]))
        expect(await next_of(call) == ("a", [1], False), "the first answer")
        await call.write(add_sub(self.pb, "nobody"))
        message = await call.read()
        expect(message.error_message == "Request for unknown model: 'nobody' is not found", f"{message}")
        await call.write(square_faulty(self.pb, 3))
        details = await fails_with(next_of(call), grpc.StatusCode.UNKNOWN)
        expect(details == "simulated failure", details)

    async def health(self):
        from health.v1 import health_pb2, health_pb2_grpc
        stub = health_pb2_grpc.HealthStub(self.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="model/wide"), timeout=LIMIT)
        expect(answer.status == health_pb2.HealthCheckResponse.SERVING, f"status {answer.status}")
        call = stub.Watch(health_pb2.HealthCheckRequest(), timeout=LIMIT)
        await call.read()
        call.cancel()

    async def reflection(self):
        """What grpcurl does: list the services, then fetch the files that describe one."""
        from google.protobuf import descriptor_pb2
        from reflection.v1 import reflection_pb2
        from reflection.v1 import reflection_pb2_grpc
        from reflection.v1alpha import reflection_pb2_grpc as alpha_grpc
        from reflection.v1alpha import reflection_pb2 as alpha
        for pb, grpc_module in ((reflection_pb2, reflection_pb2_grpc), (alpha, alpha_grpc)):
            call = grpc_module.ServerReflectionStub(self.channel).ServerReflectionInfo(timeout=LIMIT)
            await call.write(pb.ServerReflectionRequest(list_services="*"))
            listed = [service.name for service in (await call.read()).list_services_response.service]
            expect(SERVICE in listed and "grpc.health.v1.Health" in listed, f"services {listed}")
            await call.write(pb.ServerReflectionRequest(file_containing_symbol=SERVICE))
            files = (await call.read()).file_descriptor_response.file_descriptor_proto
            parsed = [descriptor_pb2.FileDescriptorProto.FromString(data) for data in files]
            methods = [m.name for file in parsed for service in file.service for m in service.method]
            expect("ModelInfer" in methods, f"methods {methods}")
            await call.write(pb.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"))
            answer = await call.read()
            expect(answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], f"{answer}")
            await call.done_writing()
            expect(await call.read() is grpc.aio.EOF, "more than was asked for")


async def main(address):
    from inference.v2 import grpc_service_pb2 as pb
    from inference.v2 import grpc_service_pb2_grpc as services
    failed = 0
    async with grpc.aio.insecure_channel(address, options=UNLIMITED) as channel:
        cases = Cases(channel, pb, services.GRPCInferenceServiceStub(channel))
        for name in (name for name in vars(Cases) if not name.startswith("_")):
            try:
                await getattr(cases, name)()
                print(f"ok {name}")
            except Exception as error:  # Whatever it was, the other cases still have something to say.
                failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    generate(pathlib.Path(sys.argv[2]))
    sys.exit(asyncio.run(main(sys.argv[1])))
