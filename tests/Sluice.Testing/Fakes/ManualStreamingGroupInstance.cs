using System.Threading.Channels;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Testing;

/// <summary>A streaming instance that takes groups, whose executions and responses a test drives by hand.</summary>
public sealed class ManualStreamingGroupInstance : IStreamingGroupInstance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<ManualGroupRun> _runs = Channel.CreateUnbounded<ManualGroupRun>();
    private int _active;

    public bool IsDisposed { get; private set; }

    /// <summary>Executions that have begun and that nobody has asked for.</summary>
    public int UnseenCount => _runs.Reader.Count;

    public ValueTask ExecuteAsync(IResponseChannel responses) => ExecuteAsync(new[] { responses });

    public ValueTask ExecuteAsync(ReadOnlyMemory<IResponseChannel> requests)
    {
        if (Interlocked.Exchange(ref _active, 1) != 0)
            throw new InvalidOperationException("the instance was called while it ran");
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return new ManualGroupRun(requests.ToArray(), this).Task;
    }

    /// <summary>Waits for the next execution to begin and its caller to wait for its end.</summary>
    public async Task<ManualGroupRun> NextRunAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Terminate()
    {
    }

    public void Dispose() => IsDisposed = true;

    internal void Show(ManualGroupRun run) => _runs.Writer.TryWrite(run);

    internal void EndRun()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        Volatile.Write(ref _active, 0);
    }
}

/// <summary>One execution of a <see cref="ManualStreamingGroupInstance"/>.</summary>
public sealed class ManualGroupRun
{
    private readonly ManualStreamingGroupInstance _instance;
    private readonly ManualEnd _end;

    internal ManualGroupRun(IReadOnlyList<IResponseChannel> requests, ManualStreamingGroupInstance instance)
    {
        Requests = requests;
        _instance = instance;
        _end = new ManualEnd(() => instance.Show(this));
    }

    public IReadOnlyList<IResponseChannel> Requests { get; }

    /// <summary>The first value of each request's first input.</summary>
    public unsafe int[] Values => [.. Requests.Select(request => *(int*)request.Inputs.Inputs[0].Data)];

    internal ValueTask Task => _end.Task;

    /// <summary>Sends one INT32 value per row as output 0 of a request.</summary>
    public ValueTask SendAsync(int position, int value, bool isFinal = false)
    {
        var response = Requests[position].Rent();
        var buffer = response.Pool.Rent(sizeof(int) * response.RowCount);
        for (var row = 0; row < response.RowCount; row++)
            BitConverter.TryWriteBytes(buffer.GetSpan()[(sizeof(int) * row)..], value);
        response.SetOutput(0, Shape.Create([response.RowCount, 1]), buffer);
        return Requests[position].SendAsync(response, isFinal);
    }

    /// <summary>Ends every request.</summary>
    public async Task CompleteAsync()
    {
        foreach (var request in Requests)
            await request.CompleteAsync();
    }

    /// <summary>Ends the execution; the instance may get its next requests.</summary>
    public void End()
    {
        _instance.EndRun();
        _end.Set();
    }

    public void Fail(Exception error)
    {
        _instance.EndRun();
        _end.Fail(error);
    }
}
