using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>The engine's view of a piece of our memory, kept while memory and shape repeat.</summary>
/// <remarks>
/// Pooled buffers come back in last-in, first-out order, so in steady state the same one returns. A kept view is never
/// looked through unless its memory has just been handed out again, so it may outlive the memory.
/// </remarks>
internal unsafe struct CachedValue
{
    private nint _value;
    private byte* _data;
    private nuint _length;
    private Shape _shape;

    /// <summary>Gives a view of the memory, owned by this cache.</summary>
    public nint Get(OrtApi api, nint memory, int element, byte* data, int length, in Shape shape)
    {
        if (_value != 0 && _data == data && _length == (nuint)length && _shape.Equals(shape)) return _value;
        Release(api);
        nint value;
        fixed (long* dimensions = shape.Dimensions)
        {
            // A scalar's span has no first element; the engine wants a pointer all the same.
            long none = 0;
            api.Check(api.CreateTensorWithDataAsOrtValue(
                memory, data, (nuint)length, dimensions == null ? &none : dimensions, (nuint)shape.Rank, element, &value));
        }

        _data = data;
        _length = (nuint)length;
        _shape = shape;
        return _value = value;
    }

    public void Release(OrtApi api)
    {
        if (_value == 0) return;
        api.ReleaseValue(_value);
        _value = 0;
    }
}
