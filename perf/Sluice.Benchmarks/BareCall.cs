using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.OnnxRuntime;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Benchmarks;

/// <summary>A graph of FP32 tensors with a call of the bare engine over always the same memory, on the caller's thread.</summary>
internal sealed unsafe class BareCall : IDisposable
{
    private readonly OrtEnvironment _environment = OrtEnvironment.Get(NullLogger.Instance, 1, 1);
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions());
    private readonly OnnxSession _session;
    private readonly Arguments _inputs;
    private readonly Arguments _outputs;

    /// <summary>Opens a graph whose only free dimension is the batch.</summary>
    public BareCall(string file, int rows)
    {
        var settings = new ModelSettings
        {
            Name = "bare",
            Version = "1",
            Backend = "onnxruntime",
            ModelFolder = Path.GetDirectoryName(Path.GetFullPath(file))!,
            VersionFolder = Path.GetDirectoryName(Path.GetFullPath(file))!,
            ModelFilename = Path.GetFileName(file),
            MaxBatchSize = rows,
        };
        _session = OnnxSession.Open(
            _environment, settings, SessionSettings.Read(settings).OnCallersThread(), InstanceKind.Cpu, 0);
        _inputs = new Arguments(_environment, _pool, _session.Inputs, rows);
        _outputs = new Arguments(_environment, _pool, _session.Outputs, rows);
    }

    /// <summary>Memory of the first input; zeros at first.</summary>
    public Span<float> Input => _inputs.First;

    /// <summary>Memory of the first output.</summary>
    public ReadOnlySpan<float> Output => _outputs.First;

    public void Run()
    {
        var (i, o) = (_inputs.Call, _outputs.Call);
        _environment.Api.Check(_environment.Api.Run(_session.Value, 0, i.Names, i.Values, i.Count, o.Names, o.Count, o.Values));
    }

    public void Dispose()
    {
        _outputs.Dispose();
        _inputs.Dispose();
        _pool.Dispose();
        _session.Dispose();
    }

    /// <summary>Inputs or outputs of the call over pooled memory; a free first dimension is the rows.</summary>
    private sealed class Arguments : IDisposable
    {
        private readonly List<TensorBuffer> _buffers = [];
        private readonly List<TensorViews> _views = [];

        public Arguments(OrtEnvironment environment, TensorBufferPool pool, GraphTensor[] tensors, int rows)
        {
            Call = new CallArguments(environment.Api, tensors.Length);
            foreach (var tensor in tensors)
            {
                var dims = Array.ConvertAll(tensor.Dims!, dim => dim < 0 ? rows : dim);
                var shape = Shape.Create(dims);
                if (!shape.TryGetByteSize(tensor.DataType, out var bytes))
                    throw new ArgumentException($"{tensor.Name} is too large");
                var buffer = pool.Rent(checked((int)bytes));
                new Span<byte>(buffer.Pointer, buffer.Length).Clear();
                _buffers.Add(buffer);
                var views = new TensorViews(environment.Api, environment.CpuMemory.Value, tensor.Element);
                _views.Add(views);
                Call.Add(tensor.NativeName, views.Get(buffer.Pointer, buffer.Length, shape), isOwned: false);
            }
        }

        public CallArguments Call { get; }

        public Span<float> First => new(_buffers[0].Pointer, _buffers[0].Length / sizeof(float));

        public void Dispose()
        {
            Call.Dispose();
            _views.ForEach(views => views.Release());
            _buffers.ForEach(buffer => buffer.Dispose());
        }
    }
}
