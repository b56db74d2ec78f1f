using System.Buffers;
using System.Collections.Concurrent;
using System.Threading.Channels;
using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>An instance that answers request by request, whose executions a test drives by hand.</summary>
public sealed class ManualRequestInstance : IRequestInstance
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Channel<ManualGroup> _runs = Channel.CreateUnbounded<ManualGroup>();
    private readonly ConcurrentQueue<int> _cancelled = new();

    /// <summary>Positions that nobody waits for any more, in order.</summary>
    public IReadOnlyCollection<int> Cancelled => _cancelled;

    public ValueTask ExecuteAsync(IRequestGroup requests) => new ManualGroup(requests, run => _runs.Writer.TryWrite(run)).Task;

    /// <summary>Waits for the next execution to begin and its caller to wait for its end.</summary>
    public async Task<ManualGroup> NextAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        return await _runs.Reader.ReadAsync(patience.Token);
    }

    public void Cancel(int position) => _cancelled.Enqueue(position);

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }
}

/// <summary>One execution of a <see cref="ManualRequestInstance"/>.</summary>
public sealed class ManualGroup
{
    private readonly IRequestGroup _group;
    private readonly ManualEnd _end;

    internal ManualGroup(IRequestGroup group, Action<ManualGroup> onAwaited)
    {
        _group = group;
        _end = new ManualEnd(() => onAwaited(this));
        Requests = [.. Enumerable.Range(0, group.Count).Select(i => group[i])];
    }

    /// <summary>The requests as they came.</summary>
    public InferRequest[] Requests { get; }

    internal ValueTask Task => _end.Task;

    /// <summary>Reads the first number of an input, one that the client did not send too.</summary>
    public int Int(int position, string name)
    {
        var request = _group[position];
        for (var i = 0; i < request.InputCount; i++)
        {
            if (request.Settings!.Inputs[request.Inputs[i].Index].Name == name)
                return BitConverter.ToInt32(request.Inputs[i].Data.ToArray());
        }

        throw new KeyNotFoundException(name);
    }

    /// <summary>Ends the execution after the test has answered.</summary>
    public void End(Action<IRequestGroup> answer)
    {
        answer(_group);
        _end.Set();
    }
}
