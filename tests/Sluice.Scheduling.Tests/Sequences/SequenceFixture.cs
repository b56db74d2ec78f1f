using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Scheduling.Sequences;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>A sequence scheduler over hand-driven instances, clock and pool, which must be empty at the end.</summary>
internal sealed class SequenceFixture : IAsyncDisposable
{
    public const int Start = 1;
    public const int End = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<InferRequest> _requests = [];
    private readonly List<string> _leaks = [];
    private readonly FakeModel _model;
    private bool _isDisposed;

    public SequenceFixture(ModelSettings settings, int instanceCount = 1, SchedulerOptions? options = null, IModelInstance? instance = null,
        bool keepsRowState = false, bool notesRenters = true)
    {
        _model = new FakeModel(new ModelDescription([], []) { KeepsRowState = keepsRowState }, _ => throw new NotSupportedException());
        Settings = settings;
        Pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = notesRenters, OnLeak = _leaks.Add });
        Instances = [.. Enumerable.Range(0, instanceCount).Select(_ => new ManualInstance())];
        Batcher = new SequenceBatcher(
            settings, _model, instance is null ? Instances : [instance], Pool, options ?? BatcherFixture.Queued, Timer, Logger);
    }

    public ModelSettings Settings { get; }

    public TensorBufferPool Pool { get; }

    public ManualDelayTimer Timer { get; } = new();

    public RecordingLogger<SequenceBatcher> Logger { get; } = new();

    public ManualInstance[] Instances { get; }

    public ManualInstance Instance => Instances[0];

    public SequenceBatcher Batcher { get; }

    public int SequenceCount => Batcher.Sequences!.Value.UnderWay;

    public int WaitingCount => Batcher.Sequences!.Value.Waiting;

    public ModelStatistics Statistics => Batcher.Statistics;

    /// <summary>The controls of every kind, in this order: START, READY, END, CORRID.</summary>
    public static SequenceSettings Controls(DataType idType = DataType.UInt64) => new()
    {
        Controls =
        [
            Control("START", ControlKind.Start), Control("READY", ControlKind.Ready), Control("END", ControlKind.End),
            new ControlSettings { Name = "CORRID", Kind = ControlKind.CorrelationId, DataType = idType },
        ],
    };

    /// <summary>A model IN → OUT of INT32 [n].</summary>
    public static ModelSettings Model(SequenceSettings sequence, int maxBatchSize = 4, int width = 1) =>
        TestRequests.Settings(maxBatchSize: maxBatchSize) with
        {
            Sequence = sequence,
            Inputs = [TestRequests.Tensor("IN", DataType.Int32, width)],
            Outputs = [TestRequests.Tensor("OUT", DataType.Int32, width)],
        };

    public static StateSettings State(string name = "", params long[] dims) => new()
    {
        InputName = $"{name}IN_STATE",
        OutputName = $"{name}OUT_STATE",
        DataType = DataType.Int32,
        Dims = dims,
        InitialDims = [.. dims.Select(d => Math.Max(1, d))],
        InitialData = new byte[sizeof(int) * dims.Aggregate(1L, (product, d) => product * Math.Max(1, d))],
    };

    /// <summary>A bound request of one value; the id is a number, or a name where it is not one.</summary>
    public InferRequest Step(string id, int value, int flags = 0, params long[] shape)
    {
        var request = new InferRequest
        {
            IsSequenceStart = (flags & Start) != 0,
            IsSequenceEnd = (flags & End) != 0,
        };
        if (ulong.TryParse(id, out var number))
            request.SequenceId = number;
        else
            request.SequenceName = request.AddText(System.Text.Encoding.UTF8.GetBytes(id));
        long[] dims = shape.Length > 0 ? shape : Settings.MaxBatchSize > 0 ? [1, 1] : [1];
        var count = (int)dims.Aggregate(1L, (product, d) => product * d);
        TestRequests.AddAndBind(request, Settings, ("IN", DataType.Int32, dims, TestRequests.Bytes([.. Enumerable.Repeat(value, count)])));
        _requests.Add(request);
        return request;
    }

    /// <summary>Sends a request whose caller may go.</summary>
    public (InferRequest Request, Task Done) Send(FakeLifetime lifetime, string id, int value, int flags = 0, FakeSink? sink = null)
    {
        var request = Step(id, value, flags);
        request.Lifetime = lifetime;
        request.Sink = sink;
        return (request, Send(request));
    }

    public Task Send(InferRequest request) => Batcher.ExecuteAsync(request).AsTask().WaitAsync(Patience);

    public (InferRequest Request, Task Done) Send(string id, int value, int flags = 0, params long[] shape)
    {
        var request = Step(id, value, flags, shape);
        return (request, Send(request));
    }

    /// <summary>Lets instances add up their input to their first state.</summary>
    public void Accumulate()
    {
        var state = EngineSettings.IndexOf(Settings.ForEngine().Inputs, "IN_STATE");
        foreach (var instance in Instances)
        {
            instance.Automatic = run => run.Finish(r =>
            {
                var sums = Ints(r, 0).Zip(Ints(r, state), (value, sum) => value + sum).ToArray();
                r.SetOutput(0, r.Batch.Inputs[0].Shape.Dimensions, TestRequests.Bytes(sums));
                r.SetOutput(1, r.Batch.Inputs[0].Shape.Dimensions, TestRequests.Bytes(sums));
            });
        }
    }

    /// <summary>An input of a run as numbers.</summary>
    public static int[] Ints(ManualRun run, int index) => MemoryMarshal.Cast<byte, int>(run.Input(index)).ToArray();

    public static int ValueOf(InferRequest request) => BitConverter.ToInt32(request.Outputs[0].Data);

    public async Task<int> RunAsync(string id, int value, int flags = 0)
    {
        var (request, done) = Send(id, value, flags);
        await done;
        Assert.Equal("", request.StatusMessage);
        return ValueOf(request);
    }

    public async Task DisposeModelAsync()
    {
        _isDisposed = true;
        await Batcher.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _requests.ForEach(request => request.Reset());
        if (!_isDisposed)
            await DisposeModelAsync().WaitAsync(Patience);
        Assert.True(_model.IsDisposed);
        Assert.Equal(0, Statistics.PendingCount);
        Assert.Equal(0, Pool.RentedCount);
        Pool.Dispose();
        Assert.Empty(_leaks);
    }

    private static ControlSettings Control(string name, ControlKind kind) => new()
    {
        Name = name,
        Kind = kind,
        DataType = DataType.Int32,
        False = TestRequests.Bytes(0),
        True = TestRequests.Bytes(1),
    };
}
