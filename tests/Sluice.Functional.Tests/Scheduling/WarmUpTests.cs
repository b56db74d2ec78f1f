using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using static Sluice.Functional.Tests.Infrastructure.WrittenModels;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Samples of <c>model_warmup</c> run on every instance before a model is ready (spec §3.1).</summary>
public sealed class WarmUpTests : IAsyncLifetime
{
    private const string Doubled =
        """
        model_warmup [
          { name: "zeros" batch_size: 2 count: 3 inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: 16 zero_data: true } }
            inputs { key: "INPUT1" value { data_type: TYPE_INT32 dims: 16 random_data: true } } },
          { name: "file" inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: 16 input_data_file: "rows/raw" } }
            inputs { key: "INPUT1" value { data_type: TYPE_INT32 dims: 16 zero_data: true } } } ]
        """;

    private OwnServer _server = null!;

    private string Config => Path.Combine(_server.Repository, "add_sub_int32", "config.pbtxt");

    public async Task InitializeAsync() =>
        _server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, "add_sub_int32", "dyna_sum", "sequence_accumulate", "square_faulty", "square_int32");

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Samples_OfEveryKind_RunAndAreNotCounted()
    {
        await File.AppendAllTextAsync(Config, Doubled);
        WriteFile("add_sub_int32", new byte[64]);
        await _server.Grpc.LoadModelAsync("add_sub_int32");
        var statistics = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("add_sub_int32"));
        Assert.Equal((0ul, 0ul), (statistics.InferenceCount, statistics.ExecutionCount));
        Write(_server.Repository, "words", Identity("TYPE_STRING", "2", "model_warmup { name: \"w\" inputs { key: \"INPUT0\" value { data_type: TYPE_STRING dims: 2 random_data: true } } } " +
            "model_warmup { name: \"e\" inputs { key: \"INPUT0\" value { data_type: TYPE_STRING dims: 2 zero_data: true } } }"));
        await _server.Grpc.LoadModelAsync("words");
    }

    [Fact]
    public async Task Samples_RunOnEachInstance()
    {
        // Each run waits by the instance's number, so that every instance has to have been asked.
        Write(_server.Repository, "slowly", Identity("TYPE_INT32", "1", "instance_group { count: 3 } parameters { key: \"execute_delay_ms\" value { string_value: \"40\" } } " +
            "model_warmup { name: \"s\" count: 2 inputs { key: \"INPUT0\" value { data_type: TYPE_INT32 dims: 1 zero_data: true } } }"));
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        await _server.Grpc.LoadModelAsync("slowly");
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(3 * 2 * 40));
    }

    [Fact]
    public async Task Samples_OfADecoupledModel_Run()
    {
        const string Sample = "\nmodel_warmup { name: \"n\" inputs { key: \"IN\" value { data_type: TYPE_INT32 dims: 1 random_data: true } } }";
        await File.AppendAllTextAsync(Path.Combine(_server.Repository, "square_int32", "config.pbtxt"), Sample);
        await _server.Grpc.LoadModelAsync("square_int32");
        await File.AppendAllTextAsync(
            Path.Combine(_server.Repository, "square_faulty", "config.pbtxt"), Sample.Replace("random_data: true", "input_data_file: \"rows/raw\"", StringComparison.Ordinal));
        WriteFile("square_faulty", [3, 0, 0, 0]);
        Assert.StartsWith("warm-up sample 'n' of model 'square_faulty' failed: ", await FailureAsync("square_faulty"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Samples_OfModelsWithSequences_ListControls_AndLeaveNoSequence()
    {
        const string Controls = """
            model_warmup [ { name: "s" batch_size: 4 count: 2
              inputs { key: "INPUT" value { data_type: TYPE_INT32 dims: 1 random_data: true } }
              inputs { key: "START" value { data_type: TYPE_INT32 dims: 1 zero_data: true } }
              inputs { key: "READY" value { data_type: TYPE_INT32 dims: 1 zero_data: true } }
              inputs { key: "CORRID" value { data_type: TYPE_UINT64 dims: 1 zero_data: true } } } ]
            """;
        await File.AppendAllTextAsync(Path.Combine(_server.Repository, "dyna_sum", "config.pbtxt"), Controls);
        await File.AppendAllTextAsync(
            Path.Combine(_server.Repository, "sequence_accumulate", "config.pbtxt"),
            "\nmodel_warmup { name: \"s\" inputs { key: \"INPUT\" value { data_type: TYPE_INT32 dims: 1 random_data: true } } }");
        foreach (var model in new[] { "dyna_sum", "sequence_accumulate" })
        {
            await _server.Grpc.LoadModelAsync(model);
            Assert.Equal(0ul, Assert.Single(await _server.Grpc.GetModelStatisticsAsync(model)).ExecutionCount);
            var fault = await Assert.ThrowsAsync<SluiceException>(() => StepAsync(model, isStart: false));
            Assert.Contains("must specify the START flag", fault.Message, StringComparison.Ordinal);

            // The id is that of a sample's sequence, whose sum is forgotten.
            Assert.Equal(5, await StepAsync(model, isStart: true));
            Assert.Equal(10, await StepAsync(model, isStart: false));
        }

        async Task<int> StepAsync(string model, bool isStart)
        {
            using var result = await _server.Grpc.InferAsync(new InferRequestMessage
            {
                ModelName = model,
                Inputs = [InferInput.Create<int>("INPUT", [5], 1, 1)],
                Parameters = new Dictionary<string, InferParameter>
                {
                    ["sequence_id"] = new InferParameter { Int64Param = 1 },
                    ["sequence_start"] = new InferParameter { BoolParam = isStart },
                },
            });
            return result.GetSpan<int>("OUTPUT")[0];
        }
    }

    [Theory]
    [InlineData("dims: 15 zero_data: true", "warm-up sample 's' of model 'add_sub_int32' failed: unexpected shape for input 'INPUT0' for model 'add_sub_int32'.")]
    [InlineData("dims: 16 input_data_file: \"none\"", "warm-up sample 's' of model 'add_sub_int32' failed: file 'warmup/none' cannot be read")]
    [InlineData("dims: 16 input_data_file: \"rows/raw\"", "warm-up sample 's' of model 'add_sub_int32' failed: input byte size mismatch for input 'INPUT0'")]
    [InlineData("dims: 16 input_data_file: \"../config.pbtxt\"", "'input_data_file' of model 'add_sub_int32' must stay inside the model's folder")]
    [InlineData("dims: 16", "input 'INPUT0' of warm-up sample 's' of model 'add_sub_int32' must have one of zero_data, random_data and input_data_file")]
    [InlineData("dims: -1 zero_data: true", "input 'INPUT0' of warm-up sample 's' of model 'add_sub_int32' has a dimension below 0")]
    public async Task Sample_ThatFails_FailsTheLoadWithItsName(string input, string expected)
    {
        await File.AppendAllTextAsync(
            Config, $"model_warmup {{ name: \"s\" batch_size: 1 inputs {{ key: \"INPUT0\" value {{ data_type: TYPE_INT32 {input} }} }} inputs {{ key: \"INPUT1\" value {{ data_type: TYPE_INT32 dims: 16 zero_data: true }} }} }}");
        WriteFile("add_sub_int32", new byte[63]);
        Assert.Contains(expected, await FailureAsync("add_sub_int32"), StringComparison.Ordinal);
    }

    private void WriteFile(string model, byte[] data)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_server.Repository, model, "warmup", "rows")).FullName;
        File.WriteAllBytes(Path.Combine(folder, "raw"), data);
    }

    private async Task<string> FailureAsync(string model)
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _server.Grpc.LoadModelAsync(model));
        Assert.Equal(InferenceCode.InvalidArgument, failure.Code);
        Assert.False(await _server.Grpc.IsModelReadyAsync(model));
        _server.ExpectErrors();
        return failure.Message.Replace($"load failed for model '{model}': version 1 is at UNAVAILABLE state: ", "", StringComparison.Ordinal);
    }
}
