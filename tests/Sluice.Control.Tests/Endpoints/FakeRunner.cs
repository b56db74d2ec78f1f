using System.Text;
using Sluice.Inference;

namespace Sluice.Control.Tests.Endpoints;

/// <summary>Answers with its name; may be held.</summary>
internal sealed class FakeRunner(string name) : IEndpointRunner
{
    private int _running;

    public TaskCompletionSource? Hold { get; set; }

    public bool IsDisposed { get; private set; }

    public bool IsReady => true;

    public async ValueTask<EndpointReply> RunAsync(EndpointCall call)
    {
        Assert.False(IsDisposed, $"{name} was called after its end");
        Interlocked.Increment(ref _running);
        if (Hold is { } hold)
            await hold.Task;
        Interlocked.Decrement(ref _running);
        return EndpointReply.Json(Encoding.UTF8.GetBytes(name));
    }

    public ValueTask DisposeAsync()
    {
        Assert.Equal(0, Volatile.Read(ref _running));
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }
}
