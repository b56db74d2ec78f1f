using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>Every golden ONNX model, straight through the backend.</summary>
public sealed class GoldenOnnxTests
{
    private const string Engine = "onnx";

    public static TheoryData<string> Good => [.. GoldenSet.Names(Engine, model => model.ErrorAt != "load")];

    public static TheoryData<string> Bad => [.. GoldenSet.Names(Engine, model => model.ErrorAt == "load")];

    [Theory]
    [MemberData(nameof(Good))]
    public async Task Model_EachCase_GivesTheExpectedOutputs(string name)
    {
        var model = GoldenSet.Read(Engine, name);
        Assert.NotEmpty(model.Cases);
        using var backend = new OnnxRuntimeBackend();
        using var runner = new BackendRunner(backend, OnnxModelFolder.Settings(name, model.Folder));

        // Twice, as the second round meets the views and shapes that the first one left.
        foreach (var test in model.Cases.Concat(model.Cases))
        {
            var outputs = await runner.RunAsync(test.Inputs.Select(ToTensor));
            Assert.Equal(test.Outputs.Count, outputs.Count);
            foreach (var expected in test.Outputs)
            {
                var actual = outputs.Single(output => output.Name == expected.Name);
                if (IsZeroTripScan(test, expected, actual)) continue;
                Assert.Null(model.ToleranceOf(expected)
                    .FindDifference(expected, actual.DataType, actual.Shape, actual.Data));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public void Load_BadModel_IsRefusedWithItsReason(string name)
    {
        var model = GoldenSet.Read(Engine, name);
        using var backend = new OnnxRuntimeBackend();
        var error = Assert.Throws<InferenceException>(
            () => backend.Load(OnnxModelFolder.Settings(name, model.Folder)));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Contains($"cannot load ONNX model '{name}' version 1: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("onnxruntime_src", error.Message, StringComparison.Ordinal);
        var reason = name switch
        {
            "bad_empty" => "is empty",
            "bad_opset_99" => "opset 99",
            "bad_unknown_op" => "com.example.unknown:FrobnicateQuux",
            _ => "its file 'model.onnx' is incomplete or no ONNX file",
        };
        Assert.Contains(reason, error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task RuntimeErrorReshape_ImpossibleReshape_FailsThatRequestOnly()
    {
        var model = GoldenSet.Read(Engine, "runtime_error_reshape");
        using var backend = new OnnxRuntimeBackend();
        using var runner = new BackendRunner(backend, OnnxModelFolder.Settings(model.Name, model.Folder));
        var good = model.Cases[0].Inputs.Select(ToTensor).ToArray();
        TestTensor[] bad = [good[0], good[1] with { Data = [.. BitConverter.GetBytes(4L), .. BitConverter.GetBytes(2L)] }];
        for (var round = 0; round < 3; round++)
        {
            var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync(bad));
            Assert.Equal(InferenceCode.Internal, error.Code);
            Assert.Contains("Reshape", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("onnxruntime_src", error.Message, StringComparison.Ordinal);
            Assert.Contains(model.Name, error.Message, StringComparison.Ordinal);
            var output = Assert.Single(await runner.RunAsync(good));
            Assert.Equal("[2,3]", output.Shape.ToString());
        }
    }

    [Fact]
    public void Description_GoldenModels_StatesTypesAndDimensions()
    {
        using var backend = new OnnxRuntimeBackend();
        using var scalar = Load(backend, "scalar_io");
        using var batching = Load(backend, "mlp_digits");
        Assert.Equal([], scalar.Description.Inputs[0].Dims!);
        Assert.Equal([], scalar.Description.Outputs[1].Dims!);
        Assert.Equal([-1, 64], batching.Description.Inputs[0].Dims!);
        Assert.Equal([-1], batching.Description.Outputs[1].Dims!);
        Assert.Equal(DataType.Int64, batching.Description.Outputs[1].DataType);
    }

    private static IBackendModel Load(OnnxRuntimeBackend backend, string name) =>
        backend.Load(OnnxModelFolder.Settings(name, GoldenSet.Read(Engine, name).Folder));

    private static TestTensor ToTensor(GoldenTensor tensor) =>
        new(tensor.Name, tensor.DataType, tensor.Shape, tensor.Data);

    // A Loop of no rounds: the engine says [0,0], the specification [0,1]; both are right (golden README).
    private static bool IsZeroTripScan(GoldenCase test, GoldenTensor expected, TestTensor actual) =>
        test.Name == "loop_model/1" && expected.Name == "hist" && actual.Data.Length == 0
        && actual.Shape == Shape.Create([0, 0]);
}
