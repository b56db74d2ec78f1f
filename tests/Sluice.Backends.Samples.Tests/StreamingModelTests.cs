using System.Runtime.InteropServices;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Samples.Tests;

/// <summary>The models that answer response by response.</summary>
public sealed class StreamingModelTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Repeat_WithoutDelays_AnswersEachElementAndEndsEmpty()
    {
        using var run = new StreamRun("repeat");
        run.Input("IN", DataType.Int32, [3], 5, 6, 7);
        await run.ExecuteAsync();
        Assert.Equal(["5 0", "6 1", "7 2", "end"], run.Log);
    }

    [Fact]
    public async Task Repeat_NoElements_EndsEmpty()
    {
        using var run = new StreamRun("repeat");
        run.Input("IN", DataType.Int32, [0]);
        await run.ExecuteAsync();
        Assert.Equal(["end"], run.Log);
    }

    [Fact]
    public async Task Repeat_DelaysAndAShorterWait_IsFreeBeforeItsResponses()
    {
        var time = new ManualTimeProvider();
        using var run = new StreamRun("repeat", time);
        run.Input("IN", DataType.Int32, [2], 5, 6);
        run.Input("DELAY", DataType.UInt32, [2], 100, 50);
        run.Input("WAIT", DataType.UInt32, [1], 30);
        var executing = run.ExecuteAsync();
        time.Advance(TimeSpan.FromMilliseconds(30));
        await executing.WaitAsync(Patience);
        Assert.Empty(run.Log);
        time.Advance(TimeSpan.FromMilliseconds(70));
        await run.WaitForAsync(1);
        Assert.Equal(["5 0"], run.Log);
        time.Advance(TimeSpan.FromMilliseconds(50));
        await run.WaitForAsync(3);
        Assert.Equal(["5 0", "6 1", "end"], run.Log);
    }

    [Fact]
    public async Task Repeat_Cancelled_StopsInItsDelay()
    {
        using var run = new StreamRun("repeat", new ManualTimeProvider());
        run.Input("IN", DataType.Int32, [2], 5, 6);
        run.Input("DELAY", DataType.UInt32, [2], 0, 1000);
        var executing = run.ExecuteAsync();
        await run.WaitForAsync(1);
        await run.Cancellation.CancelAsync();
        await run.WaitForAsync(2);
        await executing.WaitAsync(Patience);
        Assert.Equal(["5 0", "Cancelled final"], run.Log);
    }

    [Fact]
    public async Task Repeat_ShapesThatDiffer_IsRefused()
    {
        using var run = new StreamRun("repeat");
        run.Input("IN", DataType.Int32, [2], 5, 6);
        run.Input("DELAY", DataType.UInt32, [1], 0);
        var error = await Assert.ThrowsAsync<InferenceException>(run.ExecuteAsync);
        Assert.Contains("expected IN and DELAY shape to match, got [2] and [1]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "end")]
    [InlineData(3, "3,3,3,end")]
    public async Task Square_AnswersANumberByAsMany(int number, string expected)
    {
        using var run = new StreamRun("square");
        run.Input("IN", DataType.Int32, [1], number);
        await run.ExecuteAsync();
        await run.WaitForAsync(number + 1);
        Assert.Equal(expected, string.Join(',', run.Log));
    }

    [Fact]
    public async Task Square_FailAndEmptyCounts_AreTheLastOnes()
    {
        using var run = new StreamRun("square", null, null, ("CUSTOM_FAIL_COUNT", "2"), ("CUSTOM_EMPTY_COUNT", "1"));
        run.Input("IN", DataType.Int32, [1], 5);
        await run.ExecuteAsync();
        Assert.Equal(["5", "5", "Unknown", "Unknown", "skip", "end"], run.Log);
    }

    [Fact]
    public async Task Square_Cancelled_EndsAtTheNextStep()
    {
        var time = new ManualTimeProvider();
        using var run = new StreamRun("square", time, null, ("CUSTOM_INFER_DELAY_NS", "1000000"));
        run.Input("IN", DataType.Int32, [1], 5);
        await run.ExecuteAsync();
        await run.Cancellation.CancelAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        await run.WaitForAsync(2);
        Assert.Equal(["5", "Cancelled final"], run.Log);
    }

    [Theory]
    [InlineData(3, "2,1,0 final")]
    [InlineData(0, "-1 final")]
    public async Task Iterative_CountsDownToZero(int number, string expected)
    {
        using var run = new StreamRun("iterative_sequence");
        run.Input("INPUT", DataType.Int32, [1], number);
        await run.ExecuteAsync();
        Assert.Equal(expected, string.Join(',', run.Log));
    }

    [Fact]
    public async Task Iterative_WhereRequestsComeAgain_MakesOneResponsePerExecution()
    {
        using var run = new StreamRun("iterative_sequence", sequence: new SequenceSettings { IsIterative = true });
        run.Input("INPUT", DataType.Int32, [1], 3);
        for (var i = 0; i < 3; i++)
            await run.ExecuteAsync();
        Assert.Equal("2,again,1,again,0 final", string.Join(',', run.Log));
    }

    /// <summary>One request at an instance, with a log of what it answers.</summary>
    private sealed class StreamRun : IResponseChannel, IDisposable
    {
        private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions { Debug = true });
        private readonly List<TensorBuffer> _buffers = [];
        private readonly List<string> _log = [];
        private readonly IBackendModel _model;
        private readonly IStreamingInstance _instance;
        private readonly ModelSettings _settings;

        public StreamRun(
            string backend, TimeProvider? time = null, SequenceSettings? sequence = null, params (string Key, string Value)[] parameters)
        {
            var settings = Models.Of(backend, 0, parameters) with { Sequence = sequence };
            _model = Models.Backend(backend, time).Load(settings);
            _settings = BackendRunner.Complete(settings, _model.Description);
            _instance = (IStreamingInstance)_model.CreateInstance(_settings, new InstancePlacement("m_0", InstanceKind.Cpu, 0));
            Inputs = new ExecutionBatch(_settings, _pool, _ => { });
            Inputs.Begin(1);
        }

        public CancellationTokenSource Cancellation { get; } = new();

        public InferRequest Request { get; } = new();

        public ExecutionBatch Inputs { get; }

        public CancellationToken CancellationToken => Cancellation.Token;

        public string[] Log
        {
            get
            {
                lock (_log)
                    return [.. _log];
            }
        }

        public unsafe void Input(string name, DataType type, long[] shape, params int[] values)
        {
            var index = _settings.Inputs.Select(tensor => tensor.Name).ToList().IndexOf(name);
            var buffer = _pool.Rent(values.Length * sizeof(int));
            MemoryMarshal.AsBytes<int>(values).CopyTo(buffer.GetSpan());
            _buffers.Add(buffer);
            Inputs.Inputs[index] = new BatchInput
            {
                IsPresent = true,
                DataType = type,
                Shape = Shape.Create(shape),
                Data = buffer.Pointer,
                ByteLength = buffer.Length,
            };
        }

        public Task ExecuteAsync() => _instance.ExecuteAsync(this).AsTask();

        public async Task WaitForAsync(int count)
        {
            using var patience = new CancellationTokenSource(Patience);
            while (Log.Length < count)
            {
                patience.Token.ThrowIfCancellationRequested();
                await Task.Yield();
            }
        }

        public ExecutionBatch Rent()
        {
            var response = new ExecutionBatch(_settings, _pool, _ => { });
            response.Begin(1);
            for (var i = 0; i < _settings.Outputs.Length; i++)
                response.Request(i);
            return response;
        }

        public ValueTask SendAsync(ExecutionBatch response, bool isFinal = false)
        {
            var values = _settings.Outputs.Select((_, i) => BitConverter.ToInt32(response.GetOutput(i, out Shape _)!.GetSpan()));
            Write(string.Join(' ', values) + (isFinal ? " final" : ""));
            response.Release();
            return ValueTask.CompletedTask;
        }

        public ValueTask FailAsync(InferenceCode code, string message, bool isFinal = false)
        {
            Write(code + (isFinal ? " final" : ""));
            return ValueTask.CompletedTask;
        }

        public ValueTask RescheduleAsync()
        {
            _log.Add("again");
            return default;
        }

        public ValueTask CompleteAsync()
        {
            Write("end");
            return ValueTask.CompletedTask;
        }

        public void SkipResponse() => Write("skip");

        public void Dispose()
        {
            _instance.Dispose();
            _model.Dispose();
            Inputs.Release();
            _buffers.ForEach(buffer => buffer.Dispose());
            Assert.Equal(0, _pool.RentedCount);
            _pool.Dispose();
            Cancellation.Dispose();
        }

        private void Write(string line)
        {
            lock (_log)
                _log.Add(line);
        }
    }
}
