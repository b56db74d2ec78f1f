using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.OnnxRuntime;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Scheduling;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Statistics.Sampling;
using Sluice.Tensors;
using BatchInput = Sluice.Inference.BatchInput;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Benchmarks;

/// <summary>The steps of an add_sub request, each ready to be run again and again on one thread.</summary>
internal sealed class HotPath : IDisposable
{
    private static readonly ModelSettings Settings = new()
    {
        Name = "add_sub",
        Version = "1",
        Backend = "onnxruntime",
        ModelFolder = AppContext.BaseDirectory,
        VersionFolder = AppContext.BaseDirectory,
        ModelFilename = "model.onnx",
        MaxBatchSize = 8,
        Inputs = [Tensor("INPUT0"), Tensor("INPUT1")],
        Outputs = [Tensor("OUTPUT0"), Tensor("OUTPUT1")],
    };

    // What an endpoint's call pays for being sampled with two variables, the adding up included.
    private static readonly SamplingPlan Sampling = new()
    {
        Endpoint = "add_sub",
        Variables = [Bounded("INPUT0"), Bounded("OUTPUT0")],
    };

    private readonly EndpointSampler _sampler = new(ringCount: 1);
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions());
    private readonly PrecisionTimer _timer = new();
    private readonly ReadOnlySequence<byte> _message = new(Message());
    private readonly InferRequest _request = new();
    private readonly InferRequest _bound = new();
    private readonly InferRequest _answered = new();
    private readonly ArrayBufferWriter<byte> _output = new(4096);
    private readonly ModelTable _table = new();
    private readonly OnnxRuntimeBackend _backend = new();
    private readonly IBackendModel _model;
    private readonly IModelInstance _instance;
    private readonly ExecutionBatch _batch;
    private readonly DynamicBatcher _batcher;
    private int _sampleCount;

    public HotPath()
    {
        _model = _backend.Load(Settings);
        _instance = _model.CreateInstance(Settings, new InstancePlacement("bench_0", InstanceKind.Cpu, 0));
        _batch = new ExecutionBatch(Settings, _pool, _ => { });
        _batcher = new DynamicBatcher(
            Settings, new NoModel(), [new NoInstance()], _pool,
            new SchedulerOptions { InlineLimit = TimeSpan.FromSeconds(10), BatchingWorthLimit = TimeSpan.FromSeconds(10) },
            _timer, NullLogger.Instance);
        InferRequestReader.Read(in _message, _bound, _pool);
        InferRequestReader.Read(in _message, _answered, _pool);
        RequestBinder.Bind(_answered, Settings);
        _batcher.ExecuteAsync(_answered).AsTask().GetAwaiter().GetResult();
        var config = new ModelConfig { Name = "add_sub" };
        _table.GetOrAddSlot("add_sub").Update(snapshot => snapshot.With(new VersionSnapshot
        {
            Number = 1,
            State = ModelState.Ready,
            Loaded = new LoadedModel(_batcher, config, new VersionKey(config, "")),
        }));
        Steps = new Dictionary<string, Action>(StringComparer.Ordinal)
        {
            ["InferRequestReader.Read"] = Read,
            ["RequestBinder.Bind"] = () => RequestBinder.Bind(_bound, Settings),
            ["InferResponseWriter.Write"] = Write,
            ["ModelTable.TryAcquire"] = Acquire,
            ["TensorBufferPool.RentReturn"] = () => _pool.Rent(128).Dispose(),
            ["EndpointSampler.Take"] = Sample,
            ["DynamicBatcher.Inline"] = RunInline,
            ["OnnxModelInstance.Execute"] = Execute,
        };
    }

    public static IEnumerable<string> StepNames
    {
        get
        {
            using var path = new HotPath();
            return [.. path.Steps.Keys];
        }
    }

    public IReadOnlyDictionary<string, Action> Steps { get; }

    public void Dispose()
    {
        _sampler.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _bound.Reset();
        _answered.Reset();
        _batcher.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _batch.TrimInputs(-1);
        _instance.Dispose();
        _model.Dispose();
        _backend.Dispose();
        _timer.Dispose();
        _pool.Dispose();
    }

    private static TensorSettings Tensor(string name) => new() { Name = name, DataType = DataType.Int32, Dims = [16] };

    private static byte[] Message()
    {
        var message = new ModelInferRequest { ModelName = "add_sub", Id = "4711" };
        foreach (var name in new[] { "INPUT0", "INPUT1" })
        {
            message.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = name, Datatype = "INT32", Shape = { 1, 16 } });
            message.RawInputContents.Add(ByteString.CopyFrom(new byte[64]));
        }

        return message.ToByteArray();
    }

    private void Read()
    {
        InferRequestReader.Read(in _message, _request, _pool);
        _request.Reset();
    }

    private void Write()
    {
        _output.ResetWrittenCount();
        _ = InferResponseWriter.Measure(_answered);
        InferResponseWriter.Write(_output, _answered);
    }

    private void Acquire()
    {
        if (!_table.TryAcquire("add_sub"u8, default, out var lease, out _))
            throw new InvalidOperationException("the model is gone");
        lease.Dispose();
    }

    /// <summary>Reading and binding included: an answered request is not run twice.</summary>
    private static SampledVariable Bounded(string name) => new(name, VariableKind.Scalar) { Bounds = [3, 7, 11] };

    private void Sample()
    {
        _sampler.Take(Sampling, 1000, _answered);
        if (++_sampleCount % 1024 == 0)
            _sampler.Drain();
    }

    private void RunInline()
    {
        InferRequestReader.Read(in _message, _request, _pool);
        RequestBinder.Bind(_request, Settings);
        Wait(_batcher.ExecuteAsync(_request));
        _request.Reset();
    }

    private static void Wait(ValueTask done)
    {
        if (done.IsCompletedSuccessfully)
            done.GetAwaiter().GetResult();
        else
            done.AsTask().GetAwaiter().GetResult();
    }

    private unsafe void Execute()
    {
        _batch.Begin(1);
        for (var i = 0; i < 2; i++)
        {
            _batch.Request(i);
            _batch.Inputs[i] = new BatchInput
            {
                IsPresent = true,
                DataType = DataType.Int32,
                Shape = Shape.Create([1, 16]),
                Data = _batch.InputBuffer(i, 64),
                ByteLength = 64,
            };
        }

        Wait(_instance.ExecuteAsync(_batch));
        _batch.Release();
    }

    /// <summary>Answers with empty buffers of the right size: what is left is the scheduler.</summary>
    private sealed class NoInstance : IModelInstance
    {
        public ValueTask ExecuteAsync(ExecutionBatch batch)
        {
            for (var i = 0; i < 2; i++)
                batch.SetOutput(i, in batch.Inputs[i].Shape, batch.Pool.Rent(batch.Inputs[i].ByteLength));
            return default;
        }

        public void Terminate()
        {
        }

        public void Dispose()
        {
        }
    }

    private sealed class NoModel : IBackendModel
    {
        public ModelDescription Description { get; } = new([], []);

        public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) => new NoInstance();

        public void Dispose()
        {
        }
    }
}
