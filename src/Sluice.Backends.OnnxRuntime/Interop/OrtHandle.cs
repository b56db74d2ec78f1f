using System.Runtime.InteropServices;

namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>One long-lived object of the engine, released by the function that belongs to it.</summary>
internal sealed unsafe class OrtHandle : SafeHandle
{
    private readonly delegate* unmanaged[Cdecl]<nint, void> _release;

    public OrtHandle(nint value, delegate* unmanaged[Cdecl]<nint, void> release)
        : base(0, ownsHandle: true)
    {
        _release = release;
        SetHandle(value);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The object; the caller makes sure that the handle outlives the use.</summary>
    public nint Value => handle;

    protected override bool ReleaseHandle()
    {
        _release(handle);
        return true;
    }
}
