using System.Runtime.InteropServices;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Samples.Tests;

/// <summary>The models that answer batch by batch: values, parameters, configurations that they refuse.</summary>
public sealed class SampleModelTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Identity_WithADelay_WaitsForIt()
    {
        var time = new ManualTimeProvider();
        using var runner = new BackendRunner(
            Models.Backend("identity", time), Models.Identity(DataType.Int32, ("execute_delay_ms", "50")));
        var running = runner.RunAsync([Ints("INPUT0", [1, 2], 7, 8)]);
        Assert.False(running.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(49));
        Assert.False(running.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal([7, 8], Values((await running.WaitAsync(Patience))[0]));
    }

    [Fact]
    public async Task Identity_TerminatedInItsDelay_EndsAsCancelledAndTheNextRuns()
    {
        var time = new ManualTimeProvider();
        using var runner = new BackendRunner(
            Models.Backend("identity", time), Models.Identity(DataType.Int32, ("execute_delay_ms", "50")));
        var running = runner.RunAsync([Ints("INPUT0", [1, 1], 7)]);
        runner.Instance.Terminate();
        var error = await Assert.ThrowsAsync<InferenceException>(() => running.WaitAsync(Patience));
        Assert.Equal(InferenceCode.Cancelled, error.Code);
        var next = runner.RunAsync([Ints("INPUT0", [1, 1], 9)]);
        time.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Equal([9], Values((await next.WaitAsync(Patience))[0]));
    }

    [Theory]
    [InlineData("m_0", 10)]
    [InlineData("m_1", 20)]
    [InlineData("m_3", 60)]
    public async Task Identity_WithAMultiplier_WaitsByTheInstancesNumber(string instance, int milliseconds)
    {
        var time = new ManualTimeProvider();
        var settings = Models.Identity(DataType.Int32, ("execute_delay_ms", "10"), ("instance_wise_delay_multiplier", "2"));
        using var model = Models.Backend("identity", time).Load(settings);
        using var made = model.CreateInstance(settings, new InstancePlacement(instance, InstanceKind.Cpu, 0));
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var batch = new ExecutionBatch(settings, pool, _ => { });
        batch.Begin(1);
        var running = made.ExecuteAsync(batch).AsTask();
        time.Advance(TimeSpan.FromMilliseconds(milliseconds - 1));
        Assert.False(running.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await running.WaitAsync(Patience);
        batch.Release();
    }

    [Fact]
    public async Task Identity_OptionalInputThatDidNotCome_HasNoOutput()
    {
        var settings = Models.Of("identity") with
        {
            Inputs = [Models.Tensor("INPUT0", DataType.Int32, -1) with { IsOptional = true }, Models.Tensor("INPUT1", DataType.Int32, -1)],
            Outputs = [Models.Tensor("OUTPUT1", DataType.Int32, -1), Models.Tensor("OUTPUT0", DataType.Int32, -1)],
        };
        using var runner = new BackendRunner(Models.Backend("identity"), settings);
        var output = Assert.Single(await runner.RunAsync([Ints("INPUT1", [2], 3, 4)]));
        Assert.Equal("OUTPUT1", output.Name);
        Assert.Equal([3, 4], Values(output));
    }

    [Theory]
    [InlineData("IN", "OUTPUT0", DataType.Int32, -1, "expected input name to follow INPUT<index> pattern, got 'IN'")]
    [InlineData("INPUT0", "OUT", DataType.Int32, -1, "expected output name to follow OUTPUT<index> pattern, got 'OUT'")]
    [InlineData("INPUT0", "OUTPUT1", DataType.Int32, -1, "expected input and output indices to match")]
    [InlineData("INPUT0", "OUTPUT0", DataType.Fp32, -1, "expected input and output datatype to match")]
    [InlineData("INPUT0", "OUTPUT0", DataType.Int32, 4, "expected input and output shape to match, got [-1] and [4]")]
    public void Identity_ConfigurationThatIsNoIdentity_IsRefused(string input, string output, DataType type, long dim, string expected)
    {
        var settings = Models.Of("identity") with
        {
            Inputs = [Models.Tensor(input, DataType.Int32, -1)],
            Outputs = [Models.Tensor(output, type, dim)],
        };
        var error = Assert.Throws<InferenceException>(() => Models.Backend("identity").Load(settings));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("identity", "execute_delay_ms", "soon")]
    [InlineData("identity", "execute_delay_ms", "-1")]
    [InlineData("square", "CUSTOM_FAIL_COUNT", "99999999999")]
    [InlineData("sequence", "execute_delay_ms", "")]
    public void Load_ParameterThatIsNoNumber_NamesItAndItsValue(string backend, string key, string value)
    {
        var settings = backend == "identity" ? Models.Identity(DataType.Int32, (key, value)) : Models.Of(backend, 0, (key, value));
        var error = Assert.Throws<InferenceException>(() => Models.Backend(backend).Load(settings));
        Assert.Contains($"'{key}'", error.Message, StringComparison.Ordinal);
        Assert.Contains($"'{value}'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sequence_Slots_AddUpRowByRow()
    {
        using var runner = new BackendRunner(Models.Backend("sequence"), Models.Of("sequence", 2));
        Assert.Equal([3, 3, 30, 30], await Step([1, 1], [1, 1], [1, 2, 10, 20]));
        Assert.Equal([6, 6, 33, 33], await Step([0, 0], [1, 1], [1, 2, 1, 2]));
        Assert.Equal([0, 0, 5, 5], await Step([0, 1], [0, 1], [9, 9, 2, 3]));
        Assert.Equal([7, 7, 6, 6], await Step([0, 0], [1, 1], [1, 0, 1, 0]));

        async Task<List<int>> Step(int[] start, int[] ready, int[] values) => Values((await runner.RunAsync(
        [
            Ints("START", [2, 1], start), Ints("READY", [2, 1], ready), Ints("INPUT", [2, 2], values),
        ]))[0]);
    }

    [Fact]
    public async Task DynaSequence_KeepsSumsByCorrelationAndAddsItAtTheEnd()
    {
        using var runner = new BackendRunner(Models.Backend("dyna_sequence"), Models.Of("dyna_sequence", 4));
        Assert.Equal([1], await Step(1, 0, 42, 1));
        Assert.Equal([10], await Step(1, 0, 7, 10));
        Assert.Equal([3], await Step(0, 0, 42, 2));
        Assert.Equal([3 + 3 + 42], await Step(0, 1, 42, 3));
        Assert.Equal([5], await Step(0, 0, 42, 5));
        Assert.Equal([11], await Step(0, 0, 7, 1));

        async Task<List<int>> Step(int start, int end, ulong id, int value) => Values((await runner.RunAsync(
        [
            Ints("START", [1, 1], start), Ints("END", [1, 1], end), Ints("READY", [1, 1], 1),
            new TestTensor("CORRID", DataType.UInt64, Shape.Create([1, 1]), BitConverter.GetBytes(id)),
            Ints("INPUT", [1, 1], value),
        ]))[0]);
    }

    [Fact]
    public async Task DynaSequence_IdsThatAreTexts_MustBeNumbers()
    {
        var settings = Models.Of("dyna_sequence", 4) with
        {
            Sequence = new SequenceSettings
            {
                Controls = [new ControlSettings { Name = "CORRID", Kind = ControlKind.CorrelationId, DataType = DataType.Bytes }],
            },
        };
        using var runner = new BackendRunner(Models.Backend("dyna_sequence"), settings);
        Assert.Equal([5, 6 + 420], await Step("42", "420"));
        var error = await Assert.ThrowsAsync<InferenceException>(() => Step("42", "x"));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);

        async Task<List<int>> Step(string first, string second) => Values((await runner.RunAsync(
        [
            Ints("START", [2, 1], 1, 1), Ints("END", [2, 1], 0, 1), Ints("READY", [2, 1], 1, 1), Ints("INPUT", [2, 1], 5, 6),
            new TestTensor("CORRID", DataType.Bytes, Shape.Create([2, 1]), [
                .. BitConverter.GetBytes(first.Length), .. System.Text.Encoding.UTF8.GetBytes(first),
                .. BitConverter.GetBytes(second.Length), .. System.Text.Encoding.UTF8.GetBytes(second)]),
        ]))[0]);
    }

    [Fact]
    public void Load_TensorThatTheModelHasNot_IsRefused()
    {
        var settings = Models.Of("repeat") with
        {
            Inputs = [Models.Tensor("IN", DataType.Int32, -1), Models.Tensor("IT", DataType.Int32, -1)],
            Outputs = [Models.Tensor("OUT", DataType.Int32, 1)],
        };
        using var model = Models.Backend("repeat").Load(settings);
        var error = Assert.Throws<InferenceException>(
            () => model.CreateInstance(settings, new InstancePlacement("m_0", InstanceKind.Cpu, 0)));
        Assert.Contains("has no input 'IT', only: IN, DELAY, WAIT", error.Message, StringComparison.Ordinal);
    }

    private static TestTensor Ints(string name, long[] shape, params int[] values) =>
        new(name, DataType.Int32, Shape.Create(shape), MemoryMarshal.AsBytes<int>(values).ToArray());

    private static List<int> Values(TestTensor tensor) => [.. MemoryMarshal.Cast<byte, int>(tensor.Data)];
}
