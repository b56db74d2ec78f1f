using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Decoupled;

namespace Sluice.Scheduling.Sequences;

/// <summary>Runs steps at an instance that answers response by response; one per instance.</summary>
/// <remarks>The instance gets one step at a time. The batch is over when all of its steps have sent their last response, so
/// that the next step of a sequence never meets the one before.</remarks>
internal sealed class StreamGroup : IChannelOwner, IValueTaskSource, IDisposable
{
    private readonly InstanceScheduler _owner;
    private readonly IStreamingInstance _instance;
    private readonly ChannelPool _channels;
    private ManualResetValueTaskSourceCore<bool> _completion;
    private int _left;
    private bool _hasFailed;

    public StreamGroup(InstanceScheduler owner, IStreamingInstance instance)
    {
        _owner = owner;
        _instance = instance;
        _channels = new ChannelPool(this);
    }

    ModelSettings IChannelOwner.EngineSettings => _owner.EngineSettings;

    ModelStatistics IChannelOwner.Statistics => _owner.Statistics;

    long IChannelOwner.Now => _owner.Now;

    ILogger IChannelOwner.Logger => _owner.Logger;

    bool IChannelOwner.AllowsReschedule => _owner.AllowsReschedule;

    /// <summary>Runs the steps of a batch; every one has its end or asks for another step.</summary>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask RunAsync(ReadOnlyMemory<InferRequest> requests)
    {
        var startedAt = _owner.Now;
        var count = 0;
        _hasFailed = false;
        _completion.Reset();
        var over = new ValueTask(this, _completion.Version);
        _left = 1;
        for (var i = 0; i < requests.Length; i++)
        {
            // A row that is only filled has nothing to say.
            if (!_owner.IsCounted(requests.Span[i]))
                continue;
            count++;
            Interlocked.Increment(ref _left);
            await RunAsync(requests.Span[i]).ConfigureAwait(false);
        }

        Leave();
        await over.ConfigureAwait(false);
        if (!_hasFailed)
            _owner.Learn(count, _owner.Now - startedAt, _owner.Now);
    }

    public void Dispose() => _channels.Dispose();

    ExecutionBatch IChannelOwner.RentBatch(int rows) => _owner.RentBatch(rows);

    void IChannelOwner.Split(ExecutionBatch response, ReadOnlySpan<InferRequest> requests) => _owner.Split(response, requests);

    void IChannelOwner.Return(ResponseChannel channel)
    {
        if (!channel.IsPaused)
            _channels.Return(channel);
    }

    void IChannelOwner.End(InferRequest request, bool endsInFailure)
    {
        var sequence = (Sequence)request.Sequence!;
        sequence.Channel = null;
        sequence.SettleStates(isKept: !endsInFailure);
        Leave();
    }

    void IChannelOwner.Pause(InferRequest request, ResponseChannel channel)
    {
        request.IsRescheduled = true;
        var sequence = (Sequence)request.Sequence!;
        sequence.Channel = channel;
        sequence.SettleStates(isKept: true);
        Leave();
    }

    void IValueTaskSource.GetResult(short token) => _completion.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask RunAsync(InferRequest request)
    {
        var paused = ((Sequence)request.Sequence!).Channel;
        var channel = paused ?? _channels.Rent();
        Exception? error = null;
        try
        {
            if (paused is null)
                channel.Begin(request);
            else
                channel.Resume(request);
            await _instance.ExecuteAsync(channel).ConfigureAwait(false);
        }
        catch (Exception thrown)
        {
            error = thrown;
            _hasFailed = true;
        }

        await channel.EndExecutionAsync(error).ConfigureAwait(false);
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _left) == 0)
            _completion.SetResult(true);
    }
}
