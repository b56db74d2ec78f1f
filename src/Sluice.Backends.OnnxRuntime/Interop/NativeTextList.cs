namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>An array of zero-terminated texts for the length of one call.</summary>
internal sealed unsafe class NativeTextList : IDisposable
{
    private readonly nint[] _texts;

    public NativeTextList(IEnumerable<string> texts)
    {
        _texts = [.. texts.Select(text => (nint)NativeText.Allocate(text))];
    }

    public nuint Count => (nuint)_texts.Length;

    public Span<nint> Pointers => _texts;

    public void Dispose()
    {
        foreach (var text in _texts) NativeText.Free((void*)text);
        Array.Clear(_texts);
    }
}
