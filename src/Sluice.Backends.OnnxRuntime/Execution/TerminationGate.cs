using Sluice.Backends.OnnxRuntime.Interop;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Lets any thread stop the execution that is running, and never the one after it.</summary>
/// <remarks>The engine's flag stays set until cleared, so setting it must be fenced to one execution.</remarks>
internal sealed unsafe class TerminationGate(OrtApi api, nint runOptions)
{
    private const int Idle = 0;
    private const int Running = 1;
    private const int Terminating = 2;
    private const int Terminated = 3;

    private int _state;

    public void Enter() => Volatile.Write(ref _state, Running);

    /// <summary>Ends the execution.</summary>
    /// <returns>True when it was asked to stop.</returns>
    public bool Leave()
    {
        if (Interlocked.CompareExchange(ref _state, Idle, Running) == Running) return false;
        var spin = default(SpinWait);
        while (Volatile.Read(ref _state) != Terminated) spin.SpinOnce();
        api.Check(api.RunOptionsUnsetTerminate(runOptions));
        Volatile.Write(ref _state, Idle);
        return true;
    }

    public void Terminate()
    {
        if (Interlocked.CompareExchange(ref _state, Terminating, Running) != Running) return;
        api.Check(api.RunOptionsSetTerminate(runOptions));
        Volatile.Write(ref _state, Terminated);
    }
}
