using Sluice.Inference;

namespace Sluice.Backends.Samples.Sequences;

/// <summary>Serves <see cref="IterativeModel"/>: the last response of a request is the final one. Where the scheduler gives
/// requests more than once, each execution makes one response.</summary>
internal sealed class IterativeInstance(bool isRescheduled, TimeSpan delay, TimeProvider time) : IStreamingInstance
{
    // By the request itself, which stays the same until its end.
    private readonly Dictionary<InferRequest, int> _left = new(ReferenceEqualityComparer.Instance);

    public async ValueTask ExecuteAsync(IResponseChannel responses)
    {
        var left = TakeLeft(responses);
        do
        {
            if (delay > TimeSpan.Zero)
                await Task.Delay(delay, time, CancellationToken.None).ConfigureAwait(false);
            if (responses.CancellationToken.IsCancellationRequested)
                throw new InferenceException(InferenceCode.Cancelled, "cancelled");
            left--;
            await SendAsync(responses, left).ConfigureAwait(false);
        }
        while (left > 0 && !isRescheduled);
        if (left <= 0)
            return;
        _left[responses.Request] = left;
        await responses.RescheduleAsync().ConfigureAwait(false);
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }

    private static ValueTask SendAsync(IResponseChannel responses, int left)
    {
        var response = responses.Rent();
        try
        {
            SampleTensors.Write<int>(response, 0, in responses.Inputs.Inputs[0].Shape, 1)[0] = left;
        }
        catch
        {
            response.Release();
            throw;
        }

        return responses.SendAsync(response, isFinal: left <= 0);
    }

    private int TakeLeft(IResponseChannel responses)
    {
        // One that was given up between two steps is forgotten with the next that its memory is used for.
        var isKnown = _left.Remove(responses.Request, out var left);
        return isKnown && !responses.Request.IsSequenceStart ? left : SampleTensors.Read<int>(responses.Inputs, 0)[0];
    }
}
