using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>Adds to a request what the model is told of its sequence, and the states of the step before.</summary>
internal sealed class SequenceInputs
{
    private readonly ModelSettings _engine;
    private readonly SequenceSettings _sequence;
    private readonly int _clientInputs;
    private readonly Shape _one;
    private readonly Shape[] _initialShapes;
    private readonly ReadOnlySequence<byte>[] _initial;
    private readonly (ReadOnlySequence<byte> False, ReadOnlySequence<byte> True)[] _controls;
    private readonly ReadOnlySequence<byte> _noId;

    /// <param name="clientInputs">Number of inputs that clients send.</param>
    /// <param name="engine">The settings with the hidden inputs behind them.</param>
    public SequenceInputs(int clientInputs, ModelSettings engine)
    {
        _engine = engine;
        _sequence = engine.Sequence!;
        _clientInputs = clientInputs;
        var isBatching = engine.MaxBatchSize > 0;
        _one = Shape.Create(isBatching ? [1, 1] : [1]);
        _controls = [.. _sequence.Controls.Select(control => (new ReadOnlySequence<byte>(control.False), new ReadOnlySequence<byte>(control.True)))];
        _initialShapes = [.. _sequence.States.Select(state => Shape.Create(isBatching ? [1, .. state.InitialDims] : state.InitialDims))];
        _initial = [.. _sequence.States.Select(state => new ReadOnlySequence<byte>(state.InitialData))];
        var idControl = _sequence.Controls.FirstOrDefault(control => control.Kind == ControlKind.CorrelationId);
        IdType = idControl?.DataType;
        _noId = new ReadOnlySequence<byte>(new byte[IdType is null or DataType.Bytes ? sizeof(int) : IdType.Value.ElementSize()]);
    }

    /// <summary>What the model wants to see of a sequence's id; null = nothing.</summary>
    public DataType? IdType { get; }

    /// <summary>Completes the request that runs next in its sequence.</summary>
    public void Attach(InferRequest request, Sequence sequence)
    {
        Begin(request);
        for (var i = 0; i < _controls.Length; i++)
        {
            Add(request, _clientInputs + i, _sequence.Controls[i].DataType, in _one, _sequence.Controls[i].Kind switch
            {
                ControlKind.Start => Pick(i, request.IsSequenceStart),
                ControlKind.Ready => Pick(i, true),
                ControlKind.End => Pick(i, request.IsSequenceEnd),
                _ => new ReadOnlySequence<byte>(sequence.Id),
            });
        }

        for (var i = 0; i < _initial.Length; i++)
        {
            ref var state = ref sequence.States[i];
            var isKept = state.HasValue && !request.IsSequenceStart;
            Add(
                request, _clientInputs + _controls.Length + i, _sequence.States[i].DataType,
                isKept ? state.Shape : _initialShapes[i], isKept ? new ReadOnlySequence<byte>(state.Memory) : _initial[i]);
        }
    }

    /// <summary>Makes a request of a slot that has none: zeros of the same shapes, not ready.</summary>
    /// <param name="padding">Empty.</param>
    /// <param name="model">A request of the same batch, complete.</param>
    /// <param name="zeros">At least as many as the largest input has bytes.</param>
    public void AttachPadding(InferRequest padding, InferRequest model, ReadOnlyMemory<byte> zeros)
    {
        padding.SetModel(_engine);
        padding.InputByIndex.Fill(-1);
        padding.RowCount = model.RowCount;
        padding.IsCancelled = true;
        foreach (ref var source in model.Inputs)
        {
            var control = source.Index - _clientInputs;
            var data = (uint)control >= (uint)_controls.Length ? new ReadOnlySequence<byte>(ZerosFor(in source, zeros))
                : _sequence.Controls[control].Kind == ControlKind.CorrelationId ? _noId
                : Pick(control, false);
            Add(padding, source.Index, source.DataType, in source.Shape, data);
        }
    }

    /// <summary>The bytes of the largest input, were it all zeros.</summary>
    public static int LargestInput(InferRequest request)
    {
        long largest = 0;
        foreach (ref var input in request.Inputs)
            largest = Math.Max(largest, ZeroBytes(in input));
        return checked((int)largest);
    }

    /// <summary>Forgets what was attached before, so that the request is as its client sent it.</summary>
    private void Begin(InferRequest request)
    {
        if (ReferenceEquals(request.Settings, _engine))
        {
            var byIndex = request.InputByIndex[_clientInputs..];
            var first = request.InputCount;
            foreach (var position in byIndex)
                first = position >= 0 ? Math.Min(first, position) : first;
            request.TrimInputs(first);
            byIndex.Fill(-1);
            return;
        }

        request.SetModel(_engine);
        request.InputByIndex[_clientInputs..].Fill(-1);
    }

    private ReadOnlySequence<byte> Pick(int control, bool isTrue) => isTrue ? _controls[control].True : _controls[control].False;

    private static ReadOnlyMemory<byte> ZerosFor(in InputTensor input, ReadOnlyMemory<byte> zeros) => zeros[..(int)ZeroBytes(in input)];

    /// <remarks>An empty string is its length, 0.</remarks>
    private static long ZeroBytes(in InputTensor input) =>
        input.DataType == DataType.Bytes && input.Shape.TryGetElementCount(out var count) ? count * sizeof(int) : input.Data.Length;

    private static void Add(InferRequest request, int index, DataType type, in Shape shape, in ReadOnlySequence<byte> data)
    {
        ref var input = ref request.AddInput();
        input.DataType = type;
        input.Shape = shape;
        input.Data = data;
        input.HasData = true;
        input.Index = index;
        request.InputByIndex[index] = request.InputCount - 1;
    }
}
