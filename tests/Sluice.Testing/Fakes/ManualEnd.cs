using System.Threading.Tasks.Sources;

namespace Sluice.Testing;

/// <summary>The end of an execution that a test brings about.</summary>
/// <remarks>
/// <paramref name="onAwaited"/> is called when somebody waits for the end. A test that has the execution from there ends it where that
/// one goes on, so what follows has happened when the call returns.
/// </remarks>
internal sealed class ManualEnd(Action onAwaited) : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> _core;

    public ValueTask Task => new(this, _core.Version);

    public void Set() => _core.SetResult(true);

    public void Fail(Exception error) => _core.SetException(error);

    public void GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _core.OnCompleted(continuation, state, token, flags);
        onAwaited();
    }
}
