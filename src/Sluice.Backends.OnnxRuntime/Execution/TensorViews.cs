using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>The engine's last views of pieces of our memory, for one input or output.</summary>
/// <remarks>
/// Pooled buffers and batches come back in turn, so in steady state the same few return; a view made anew costs 0.1 µs.
/// A kept view is never looked through unless its memory has just been handed in again, so it may outlive the memory.
/// </remarks>
internal sealed unsafe class TensorViews(OrtApi api, nint memory, int element)
{
    private readonly View[] _views = new View[4];
    private int _last;
    private int _next;

    /// <summary>Gives a view of the memory, valid until four others were asked for.</summary>
    public nint Get(byte* data, int length, in Shape shape)
    {
        if (_views[_last].Fits(data, length, shape)) return _views[_last].Value;
        for (var i = 0; i < _views.Length; i++)
        {
            if (!_views[i].Fits(data, length, shape)) continue;
            _last = i;
            return _views[i].Value;
        }

        ref var view = ref _views[_next];
        view.Release(api);
        view.Value = Create(data, length, shape);
        view.Data = data;
        view.Length = length;
        view.Shape = shape;
        _last = _next;
        _next = (_next + 1) % _views.Length;
        return view.Value;
    }

    public void Release()
    {
        foreach (ref var view in _views.AsSpan()) view.Release(api);
    }

    private nint Create(byte* data, int length, in Shape shape)
    {
        nint value;
        fixed (long* dimensions = shape.Dimensions)
        {
            // A scalar's span has no first element; the engine wants a pointer all the same.
            long none = 0;
            api.Check(api.CreateTensorWithDataAsOrtValue(
                memory, data, (nuint)length, dimensions == null ? &none : dimensions, (nuint)shape.Rank, element, &value));
        }

        return value;
    }

    private struct View
    {
        public nint Value;
        public byte* Data;
        public int Length;
        public Shape Shape;

        public readonly bool Fits(byte* data, int length, in Shape shape) =>
            Data == data && Value != 0 && Length == length && Shape.Dimensions.SequenceEqual(shape.Dimensions);

        public void Release(OrtApi api)
        {
            if (Value != 0) api.ReleaseValue(Value);
            Value = 0;
        }
    }
}
