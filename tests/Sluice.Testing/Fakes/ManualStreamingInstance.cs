using System.Threading.Channels;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Testing;

/// <summary>A streaming instance whose executions and responses a test drives by hand.</summary>
public sealed class ManualStreamingInstance : IStreamingInstance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<ManualStreamRun> _runs = Channel.CreateUnbounded<ManualStreamRun>();
    private int _active;

    public bool IsDisposed { get; private set; }

    public ValueTask ExecuteAsync(IResponseChannel responses)
    {
        if (Interlocked.Exchange(ref _active, 1) != 0)
            throw new InvalidOperationException("the instance was called while it ran");
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        var run = new ManualStreamRun(responses, () => Volatile.Write(ref _active, 0));
        _runs.Writer.TryWrite(run);
        return new ValueTask(run.Task);
    }

    /// <summary>Waits for the next execution to begin.</summary>
    public async Task<ManualStreamRun> NextRunAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Terminate()
    {
    }

    public void Dispose() => IsDisposed = true;
}

/// <summary>One execution of a <see cref="ManualStreamingInstance"/>.</summary>
public sealed class ManualStreamRun(IResponseChannel responses, Action onEnd)
{
    private readonly TaskCompletionSource _end = new();

    public IResponseChannel Responses => responses;

    public Task Task => _end.Task;

    /// <summary>Sends one INT32 value as output 0.</summary>
    public ValueTask SendAsync(int value, bool isFinal = false) => responses.SendAsync(Make(value), isFinal);

    public ExecutionBatch Make(int value)
    {
        var response = responses.Rent();
        var buffer = response.Pool.Rent(sizeof(int));
        BitConverter.TryWriteBytes(buffer.GetSpan(), value);
        response.SetOutput(0, Shape.Create([1]), buffer);
        return response;
    }

    /// <summary>Ends the execution; the instance may get its next request.</summary>
    public void End()
    {
        onEnd();
        _end.SetResult();
    }

    public void Fail(Exception error)
    {
        onEnd();
        _end.SetException(error);
    }
}
