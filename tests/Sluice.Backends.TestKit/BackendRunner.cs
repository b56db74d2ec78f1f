using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.TestKit;

/// <summary>One tensor going in or out, in the protocol's raw form.</summary>
public sealed record TestTensor(string Name, DataType DataType, Shape Shape, byte[] Data);

/// <summary>A loaded model with one instance and a pool in debug mode that must be empty again at the end.</summary>
public sealed class BackendRunner : IDisposable
{
    private readonly IBackendModel _model;
    private readonly bool _ownsModel;
    private readonly ExecutionBatch _batch;

    public BackendRunner(IBackend backend, ModelSettings settings, TensorBufferPool? pool = null)
        : this(backend.Load(settings), settings, pool) => _ownsModel = true;

    private BackendRunner(IBackendModel model, ModelSettings settings, TensorBufferPool? pool)
    {
        Pool = pool ?? new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = Leaks.Add });
        _model = model;
        Settings = Complete(settings, _model.Description);
        Instance = _model.CreateInstance(Settings, new InstancePlacement("test_0", InstanceKind.Cpu, 0));
        _batch = new ExecutionBatch(Settings, Pool, _ => { });
    }

    public TensorBufferPool Pool { get; }

    public List<string> Leaks { get; } = [];

    public ModelSettings Settings { get; }

    public ModelDescription Description => _model.Description;

    public IModelInstance Instance { get; }

    /// <summary>Fills in tensors from the file, as if no configuration named any.</summary>
    public static ModelSettings Complete(ModelSettings settings, ModelDescription description) => settings with
    {
        Inputs = settings.Inputs.IsEmpty ? Convert(description.Inputs) : settings.Inputs,
        Outputs = settings.Outputs.IsEmpty ? Convert(description.Outputs) : settings.Outputs,
    };

    /// <summary>Makes another instance of the same model; dispose it first.</summary>
    public BackendRunner Share() => new(_model, Settings, null);

    /// <summary>Runs one batch of one request.</summary>
    /// <param name="inputs">By name.</param>
    /// <param name="requested">Names of the outputs wanted; all when null.</param>
    public async Task<IReadOnlyList<TestTensor>> RunAsync(
        IEnumerable<TestTensor> inputs, IReadOnlyCollection<string>? requested = null)
    {
        var buffers = new List<TensorBuffer>();
        _batch.Begin(1);
        try
        {
            foreach (var input in inputs) buffers.Add(Bind(_batch, input));
            for (var i = 0; i < Settings.Outputs.Length; i++)
            {
                if (requested?.Contains(Settings.Outputs[i].Name) != false) _batch.Request(i);
            }

            await Instance.ExecuteAsync(_batch);
            return [.. ReadOutputs(_batch)];
        }
        finally
        {
            _batch.Release();
            foreach (var buffer in buffers) buffer.Dispose();
        }
    }

    public void Dispose()
    {
        _batch.TrimInputs(-1);
        Instance.Dispose();
        if (_ownsModel) _model.Dispose();
        Assert.Equal(0, Pool.RentedCount);
        Pool.Dispose();
        Assert.Empty(Leaks);
    }

    private static ImmutableArray<TensorSettings> Convert(ImmutableArray<TensorDescription> tensors) =>
    [
        .. tensors.Select(tensor => new TensorSettings
        {
            Name = tensor.Name,
            DataType = tensor.DataType,
            Dims = tensor.Dims ?? [-1],
            IsOptional = tensor.IsOptional,
        }),
    ];

    private unsafe TensorBuffer Bind(ExecutionBatch batch, TestTensor input)
    {
        var index = Settings.Inputs.Select(tensor => tensor.Name).ToList().IndexOf(input.Name);
        Assert.True(index >= 0, $"the model has no input {input.Name}");
        var buffer = Pool.Rent(input.Data.Length);
        input.Data.CopyTo(buffer.GetSpan());
        if (input.Shape.Rank > 0) batch.RowCount = (int)input.Shape[0];
        batch.Inputs[index] = new BatchInput
        {
            IsPresent = true,
            DataType = input.DataType,
            Shape = input.Shape,
            Data = buffer.Pointer,
            ByteLength = buffer.Length,
        };
        return buffer;
    }

    private List<TestTensor> ReadOutputs(ExecutionBatch batch)
    {
        var outputs = new List<TestTensor>();
        for (var i = 0; i < Settings.Outputs.Length; i++)
        {
            if (batch.GetOutput(i, out var shape) is not { } buffer) continue;
            outputs.Add(new TestTensor(
                Settings.Outputs[i].Name, Settings.Outputs[i].DataType, shape, buffer.GetSpan().ToArray()));
        }

        return outputs;
    }
}
