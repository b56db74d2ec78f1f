using System.Runtime.InteropServices;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>One input of an execution, contiguous and ready for the engine.</summary>
public unsafe struct BatchInput
{
    /// <summary>False for an optional input that no request of the batch brought.</summary>
    public bool IsPresent;

    /// <summary>The element type.</summary>
    public DataType DataType;

    /// <summary>All dimensions as the engine sees them: batch dimension first, then reshape applied.</summary>
    public Shape Shape;

    /// <summary>First byte; never null when present, 64-byte aligned when it was gathered.</summary>
    public byte* Data;

    /// <summary>Bytes.</summary>
    public int ByteLength;
}

/// <summary>Inputs and outputs of one execution; pooled per model.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Counted: the scheduler holds one reference while it runs, every answered request one until its
/// response has been written. With the last one the output buffers go back to their pool.</para>
/// <para><b>Threads.</b> References may be released on any thread; everything else belongs to who runs it.</para>
/// </remarks>
public sealed unsafe class ExecutionBatch
{
    private readonly Action<ExecutionBatch> _recycle;
    private readonly BatchInput[] _inputs;
    private readonly TensorBuffer?[] _inputBuffers;
    private readonly TensorBuffer?[] _outputBuffers;
    private readonly Shape[] _outputShapes;
    private readonly bool[] _isRequested;
    private DataType[]? _outputTypes;
    private OutputPlace[]? _places;
    private bool _hasPlaces;
    private List<ResponseParameter>? _parameters;
    private int _references;

    /// <summary>Creates an empty batch.</summary>
    /// <param name="settings">The model's completed settings.</param>
    /// <param name="pool">Where buffers come from.</param>
    /// <param name="recycle">Called with the batch when its last reference is released.</param>
    public ExecutionBatch(ModelSettings settings, TensorBufferPool pool, Action<ExecutionBatch> recycle)
    {
        Settings = settings;
        Pool = pool;
        _recycle = recycle;
        _inputs = new BatchInput[settings.Inputs.Length];
        _inputBuffers = new TensorBuffer?[settings.Inputs.Length];
        _outputBuffers = new TensorBuffer?[settings.Outputs.Length];
        _outputShapes = new Shape[settings.Outputs.Length];
        _isRequested = new bool[settings.Outputs.Length];
    }

    /// <summary>The model's settings; indexes of inputs and outputs refer to it.</summary>
    public ModelSettings Settings { get; }

    /// <summary>Where an engine rents its output buffers.</summary>
    public TensorBufferPool Pool { get; }

    /// <summary>Rows in the batch dimension; 1 for models without one.</summary>
    public int RowCount { get; set; }

    /// <summary>Inputs by index in <see cref="ModelSettings.Inputs"/>.</summary>
    public Span<BatchInput> Inputs => _inputs;

    /// <summary>Tells whether any request of the batch wants an output.</summary>
    public bool IsRequested(int outputIndex) => _isRequested[outputIndex];

    /// <summary>Says that an output is wanted.</summary>
    public void Request(int outputIndex) => _isRequested[outputIndex] = true;

    /// <summary>Says where an output should be written, when it fits there.</summary>
    /// <param name="outputIndex">Index in <see cref="ModelSettings.Outputs"/>.</param>
    /// <param name="pointer">First byte; valid until the batch's last use.</param>
    /// <param name="byteLength">The room there, bytes.</param>
    public void PlaceOutput(int outputIndex, byte* pointer, int byteLength)
    {
        _places ??= new OutputPlace[_isRequested.Length];
        _places[outputIndex] = new OutputPlace { Pointer = pointer, ByteLength = byteLength };
        _hasPlaces = true;
    }

    /// <summary>Gives the memory for an output: the client's own where it named some, else from the pool. For engines.</summary>
    /// <param name="outputIndex">Index in <see cref="ModelSettings.Outputs"/>.</param>
    /// <param name="byteLength">Bytes that will be written.</param>
    /// <returns>A buffer for <see cref="SetOutput"/>; the caller disposes it if it comes to nothing.</returns>
    public TensorBuffer RentOutput(int outputIndex, int byteLength)
    {
        if (_hasPlaces && _places![outputIndex] is { Pointer: not null } place && byteLength <= place.ByteLength)
            return TensorBuffer.Wrap(place.Pointer, byteLength);
        return Pool.Rent(byteLength);
    }

    /// <summary>Says that an output will not be made this time, so that nobody misses it.</summary>
    public void Withdraw(int outputIndex) => _isRequested[outputIndex] = false;

    /// <summary>Parameters of the response, of every request's where the batch has several.</summary>
    public ReadOnlySpan<ResponseParameter> Parameters => CollectionsMarshal.AsSpan(_parameters);

    /// <summary>Adds a parameter to the response. For engines.</summary>
    public void AddParameter(in ResponseParameter parameter) => (_parameters ??= []).Add(parameter);

    /// <summary>Stores an output. For engines.</summary>
    /// <param name="outputIndex">Index in <see cref="ModelSettings.Outputs"/>.</param>
    /// <param name="shape">All dimensions as the engine made them.</param>
    /// <param name="buffer">Its <see cref="TensorBuffer.Length"/> is the output's byte size. Belongs to the batch from here on.</param>
    public void SetOutput(int outputIndex, in Shape shape, TensorBuffer buffer)
    {
        _outputBuffers[outputIndex]?.Dispose();
        _outputBuffers[outputIndex] = buffer;
        _outputShapes[outputIndex] = shape;
    }

    /// <summary>Stores an output whose element type may be another one than the configuration's. For engines.</summary>
    /// <param name="outputIndex">Index in <see cref="ModelSettings.Outputs"/>.</param>
    /// <param name="dataType">What the elements are.</param>
    /// <param name="shape">All dimensions as the engine made them.</param>
    /// <param name="buffer">As for <see cref="SetOutput"/>.</param>
    public void SetTypedOutput(int outputIndex, DataType dataType, in Shape shape, TensorBuffer buffer)
    {
        SetOutput(outputIndex, in shape, buffer);
        if (dataType == Settings.Outputs[outputIndex].DataType && _outputTypes is null)
            return;
        _outputTypes ??= [.. Settings.Outputs.Select(output => output.DataType)];
        _outputTypes[outputIndex] = dataType;
    }

    /// <summary>The element type of a stored output.</summary>
    public DataType OutputType(int outputIndex) =>
        _outputTypes is null ? Settings.Outputs[outputIndex].DataType : _outputTypes[outputIndex];

    /// <summary>Reads an output back; null when the engine stored none.</summary>
    public TensorBuffer? GetOutput(int outputIndex, out Shape shape)
    {
        shape = _outputShapes[outputIndex];
        return _outputBuffers[outputIndex];
    }

    /// <summary>Returns memory of at least the given size for an input, kept from one use of the batch to the next.</summary>
    public byte* InputBuffer(int inputIndex, int byteLength)
    {
        var buffer = _inputBuffers[inputIndex];
        if (buffer is null || buffer.Capacity < byteLength)
        {
            buffer?.Dispose();
            _inputBuffers[inputIndex] = null;
            _inputBuffers[inputIndex] = buffer = Pool.Rent(byteLength);
        }

        return buffer.Pointer;
    }

    /// <summary>Begins a use with one reference, the caller's.</summary>
    public void Begin(int rowCount)
    {
        _references = 1;
        RowCount = rowCount;
        Array.Clear(_isRequested);
        Array.Clear(_inputs);
        if (_hasPlaces)
            Array.Clear(_places!);
        _hasPlaces = false;
        _outputTypes = null;
    }

    /// <summary>Adds a reference; only who holds one may.</summary>
    public void AddReference() => Interlocked.Increment(ref _references);

    /// <summary>Drops a reference.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
            return;
        ClearOutputs();
        _recycle(this);
    }

    /// <summary>Drops outputs, before an execution is tried again.</summary>
    public void ClearOutputs()
    {
        for (var i = 0; i < _outputBuffers.Length; i++)
        {
            _outputBuffers[i]?.Dispose();
            _outputBuffers[i] = null;
        }

        _parameters?.Clear();
    }

    /// <summary>Gives kept input buffers of more than the given size back to the pool, so that idle models hold little.</summary>
    public void TrimInputs(int keepByteSize)
    {
        for (var i = 0; i < _inputBuffers.Length; i++)
        {
            if (_inputBuffers[i] is { } buffer && buffer.Capacity > keepByteSize)
            {
                buffer.Dispose();
                _inputBuffers[i] = null;
            }
        }
    }

    private struct OutputPlace
    {
        public byte* Pointer;
        public int ByteLength;
    }
}
