using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Python;

/// <summary>Tensors of types that numpy does not have, or does not pass on, go in and out as DLPack capsules.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonDlpackTests
{
    private const string Config = """
        backend: "python"
        input { name: "X" data_type: TYPE_FP32 dims: 1 }
        output { name: "Y" data_type: TYPE_STRING dims: -1 }
        """;

    // A library with BF16 tensors hands them over with type number 4, one with booleans with 6.
    private const string Beginning = """
        import ctypes
        import numpy as np
        import triton_python_backend_utils as pb

        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype = ctypes.c_void_p
        pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


        def type_of(capsule):
            return ctypes.c_uint8.from_address(pointer(capsule, b"dltensor") + 20)


        def typed(array, number):
            capsule = array.__dlpack__()
            type_of(capsule).value = number
            return capsule


        def fault(call):
            try:
                call()
                return "none"
            except pb.TritonModelException as error:
                return str(error)


        class TritonPythonModel:
            def execute(self, requests):
                return [pb.InferenceResponse([pb.Tensor("Y", np.array([str(one) for one in self.ask()], dtype=object))]) for _ in requests]


        """;

    // Gives back what it gets.
    private const string Mirror = """
        import triton_python_backend_utils as pb


        class TritonPythonModel:
            def execute(self, requests):
                return [pb.InferenceResponse([pb.Tensor.from_dlpack("OUTPUT0", request.inputs()[0].to_dlpack())]) for request in requests]
        """;

    [Theory]
    [InlineData("words")]
    [InlineData("mirror")]
    public async Task Bf16_ComesFromACapsule_GoesToAnotherModelAndBack(string model) =>
        Assert.Equal(
            "TYPE_BF16 [2, 3] 4 [[16256, 16384, 16448], [16512, 16544, 16576]] " +
            "Tensor dtype is BF16 and cannot be converted to NumPy. Use to_dlpack() and from_dlpack() instead.",
            await AskAsync($$"""
                words = np.array([[0x3F80, 0x4000, 0x4040], [0x4080, 0x40A0, 0x40C0]], dtype=np.uint16)
                sent = pb.Tensor.from_dlpack("INPUT0", typed(words, 4))
                got = pb.InferenceRequest("{{model}}", ["OUTPUT0"], [sent]).exec().output_tensors()[0]
                capsule = got.to_dlpack()
                number = type_of(capsule).value
                type_of(capsule).value = 1
                return [got.triton_dtype(), got.shape(), number, pb.Tensor.from_dlpack("C", capsule).as_numpy().tolist(), fault(got.as_numpy)]
                """));

    [Fact]
    public async Task Booleans_GoBothWays() =>
        Assert.Equal("6 [[True, False], [False, True]] TYPE_BOOL", await AskAsync("""
            tensor = pb.Tensor("A", np.array([[True, False], [False, True]]))
            again = pb.Tensor.from_dlpack("B", tensor)
            return [type_of(tensor.to_dlpack()).value, again.as_numpy().tolist(), again.triton_dtype()]
            """));

    [Fact]
    public async Task Columns_AreRefusedInTheOriginalsWords() =>
        Assert.Equal(
            "DLPack tensor is not contiguous. Only contiguous DLPack tensors that are stored in C-Order are supported.",
            await AskAsync("return [fault(lambda: pb.Tensor.from_dlpack('A', np.ones((3, 4), np.float32).T))]"));

    private static async Task<string> AskAsync(string body)
    {
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            var version = Directory.CreateDirectory(Path.Combine(folder, "models", "own", "1")).FullName;
            var method = string.Concat(body.Split('\n').Select(line => $"\n        {line}"));
            File.WriteAllText(Path.Combine(version, "model.py"), Beginning.TrimEnd() + $"\n\n    def ask(self):{method}\n");
            File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), Config);
            var mirror = Directory.CreateDirectory(Path.Combine(folder, "models", "mirror", "1")).FullName;
            File.WriteAllText(Path.Combine(mirror, "model.py"), Mirror);
            File.WriteAllText(Path.Combine(mirror, "..", "config.pbtxt"), """
                backend: "python"
                input { name: "INPUT0" data_type: TYPE_BF16 dims: [-1, -1] }
                output { name: "OUTPUT0" data_type: TYPE_BF16 dims: [-1, -1] }
                """);
            WrittenModels.Write(Path.Combine(folder, "models"), "words", WrittenModels.Identity("TYPE_BF16", "[-1, -1]", ""));
            return options;
        });
        using var http = server.CreateHttp();
        var (_, answer) = await PythonRequests.PostAsync(
            http, "own", """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[0]}]}""");
        Assert.True(answer.TryGetProperty("outputs", out var outputs), answer.GetRawText());
        return string.Join(' ', outputs[0].GetProperty("data").EnumerateArray().Select(text => text.GetString()));
    }
}
