using System.Runtime.InteropServices;
using Sluice.Backends.OnnxRuntime.Interop;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>The parallel arrays of names and values that the engine's run function takes, made once.</summary>
internal sealed unsafe class CallArguments : IDisposable
{
    private readonly OrtApi _api;
    private readonly bool[] _isOwned;
    private nint* _block;

    public CallArguments(OrtApi api, int capacity)
    {
        _api = api;
        _isOwned = new bool[capacity];
        _block = (nint*)NativeMemory.AllocZeroed((nuint)Math.Max(capacity, 1) * 2, (nuint)sizeof(nint));
        Names = (byte**)_block;
        Values = _block + capacity;
    }

    public byte** Names { get; }

    public nint* Values { get; }

    public nuint Count { get; private set; }

    /// <summary>Adds a pair.</summary>
    /// <param name="name">Borrowed from the session.</param>
    /// <param name="value">May be 0 for an output that the engine shall make.</param>
    /// <param name="isOwned">Whether what then stands in the place is released by <see cref="Clear"/>.</param>
    public void Add(nint name, nint value, bool isOwned)
    {
        Names[Count] = (byte*)name;
        Values[Count] = value;
        _isOwned[(int)Count] = isOwned;
        Count++;
    }

    public void Clear()
    {
        for (var i = 0; i < (int)Count; i++)
        {
            if (_isOwned[i] && Values[i] != 0) _api.ReleaseValue(Values[i]);
        }

        Count = 0;
    }

    public void Dispose()
    {
        Clear();
        NativeMemory.Free(_block);
        _block = null;
    }
}
