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
        return new ManualStreamRun(responses, this).Task;
    }

    /// <summary>Waits for the next execution to begin and its caller to wait for its end.</summary>
    public async Task<ManualStreamRun> NextRunAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Terminate()
    {
    }

    public void Dispose() => IsDisposed = true;

    internal void Show(ManualStreamRun run) => _runs.Writer.TryWrite(run);

    internal void EndRun() => Volatile.Write(ref _active, 0);
}

/// <summary>One execution of a <see cref="ManualStreamingInstance"/>.</summary>
/// <remarks>Checks that the instance lives until the execution has ended and the last response has been sent.</remarks>
public sealed class ManualStreamRun
{
    private readonly ManualStreamingInstance _instance;
    private readonly ManualEnd _end;

    internal ManualStreamRun(IResponseChannel responses, ManualStreamingInstance instance)
    {
        Responses = responses;
        _instance = instance;
        _end = new ManualEnd(() => instance.Show(this));
    }

    public IResponseChannel Responses { get; }

    internal ValueTask Task => _end.Task;

    /// <summary>Sends one INT32 value as output 0.</summary>
    public ValueTask SendAsync(int value, bool isFinal = false) => Responses.SendAsync(Make(value), isFinal);

    public ExecutionBatch Make(int value)
    {
        ObjectDisposedException.ThrowIf(_instance.IsDisposed, _instance);
        var response = Responses.Rent();
        var buffer = response.Pool.Rent(sizeof(int));
        BitConverter.TryWriteBytes(buffer.GetSpan(), value);
        response.SetOutput(0, Shape.Create([1]), buffer);
        return response;
    }

    /// <summary>Ends the execution; the instance may get its next request.</summary>
    public void End()
    {
        EndRun();
        _end.Set();
    }

    public void Fail(Exception error)
    {
        EndRun();
        _end.Fail(error);
    }

    private void EndRun()
    {
        ObjectDisposedException.ThrowIf(_instance.IsDisposed, _instance);
        _instance.EndRun();
    }
}
