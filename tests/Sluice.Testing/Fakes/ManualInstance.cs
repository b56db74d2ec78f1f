using System.Threading.Channels;
using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>An instance whose executions a test ends by hand; a run that nobody ends never ends.</summary>
/// <remarks>Checks that no execution begins while another one runs, and that the instance lives as long as its executions.</remarks>
public sealed class ManualInstance : IModelInstance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<ManualRun> _runs = Channel.CreateUnbounded<ManualRun>();
    private int _active;
    private int _terminateCount;

    /// <summary>Set: every execution is handled by this on the calling thread instead of by hand.</summary>
    public Action<ManualRun>? Automatic { get; set; }

    /// <summary>Rows of each execution so far, in order.</summary>
    public List<int> RowCounts { get; } = [];

    public int TerminateCount => Volatile.Read(ref _terminateCount);

    public bool IsDisposed { get; private set; }

    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        if (Interlocked.Exchange(ref _active, 1) != 0)
            throw new InvalidOperationException("the instance was called while it ran");
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        lock (RowCounts)
            RowCounts.Add(batch.RowCount);
        var automatic = Automatic;
        var run = new ManualRun(batch, automatic is null ? run => _runs.Writer.TryWrite(run) : _ => { }, EndRun);
        automatic?.Invoke(run);
        return run.Task;
    }

    /// <summary>Waits for the next execution to begin and its caller to wait for its end.</summary>
    public async Task<ManualRun> NextRunAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Terminate() => Interlocked.Increment(ref _terminateCount);

    public void Dispose() => IsDisposed = true;

    private void EndRun()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        Volatile.Write(ref _active, 0);
    }
}

/// <summary>One execution of a <see cref="ManualInstance"/>.</summary>
public sealed unsafe class ManualRun
{
    private readonly Action _onEnd;
    private readonly ManualEnd _end;

    internal ManualRun(ExecutionBatch batch, Action<ManualRun> onAwaited, Action onEnd)
    {
        Batch = batch;
        _onEnd = onEnd;
        _end = new ManualEnd(() => onAwaited(this));
    }

    public ExecutionBatch Batch { get; }

    internal ValueTask Task => _end.Task;

    /// <summary>The bytes of an input; null when the batch has none.</summary>
    public byte[]? Input(int index) => Batch.Inputs[index].IsPresent
        ? new ReadOnlySpan<byte>(Batch.Inputs[index].Data, Batch.Inputs[index].ByteLength).ToArray()
        : null;

    /// <summary>Ends the run with outputs equal to the inputs of the same index.</summary>
    public void Finish() => Finish(_ =>
    {
        for (var i = 0; i < Batch.Settings.Outputs.Length; i++)
        {
            if (Batch.IsRequested(i) && Input(i) is { } data)
                SetOutput(i, Batch.Inputs[i].Shape.Dimensions, data);
        }
    });

    public void Finish(Action<ManualRun> setOutputs)
    {
        setOutputs(this);
        _onEnd();
        _end.Set();
    }

    public void Fail(Exception error)
    {
        _onEnd();
        _end.Fail(error);
    }

    public void SetOutput(int index, ReadOnlySpan<long> shape, byte[] data)
    {
        var buffer = Batch.RentOutput(index, data.Length);
        data.CopyTo(buffer.GetSpan());
        Batch.SetOutput(index, Sluice.Tensors.Shape.Create(shape), buffer);
    }
}
