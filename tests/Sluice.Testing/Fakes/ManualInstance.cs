using System.Threading.Channels;
using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>An instance whose executions a test ends by hand; a run that nobody ends never ends.</summary>
/// <remarks>Checks that no execution begins while another one runs.</remarks>
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
        var run = new ManualRun(batch, () => Volatile.Write(ref _active, 0));
        if (Automatic is null)
            _runs.Writer.TryWrite(run);
        else
            Automatic(run);
        return new ValueTask(run.Task);
    }

    /// <summary>Waits for the next execution to begin.</summary>
    public async Task<ManualRun> NextRunAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Terminate() => Interlocked.Increment(ref _terminateCount);

    public void Dispose() => IsDisposed = true;
}

/// <summary>One execution of a <see cref="ManualInstance"/>.</summary>
public sealed unsafe class ManualRun(ExecutionBatch batch, Action onEnd)
{
    // Ended runs go on where they are ended, so that what follows has happened when the call returns.
    private readonly TaskCompletionSource _end = new();

    public ExecutionBatch Batch => batch;

    public Task Task => _end.Task;

    /// <summary>The bytes of an input; null when the batch has none.</summary>
    public byte[]? Input(int index) => batch.Inputs[index].IsPresent
        ? new ReadOnlySpan<byte>(batch.Inputs[index].Data, batch.Inputs[index].ByteLength).ToArray()
        : null;

    /// <summary>Ends the run with outputs equal to the inputs of the same index.</summary>
    public void Finish() => Finish(_ =>
    {
        for (var i = 0; i < batch.Settings.Outputs.Length; i++)
        {
            if (batch.IsRequested(i) && Input(i) is { } data)
                SetOutput(i, batch.Inputs[i].Shape.Dimensions, data);
        }
    });

    public void Finish(Action<ManualRun> setOutputs)
    {
        setOutputs(this);
        onEnd();
        _end.SetResult();
    }

    public void Fail(Exception error)
    {
        onEnd();
        _end.SetException(error);
    }

    public void SetOutput(int index, ReadOnlySpan<long> shape, byte[] data)
    {
        var buffer = batch.RentOutput(index, data.Length);
        data.CopyTo(buffer.GetSpan());
        batch.SetOutput(index, Sluice.Tensors.Shape.Create(shape), buffer);
    }
}
