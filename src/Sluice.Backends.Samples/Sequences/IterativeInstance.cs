using Sluice.Inference;

namespace Sluice.Backends.Samples.Sequences;

/// <summary>Serves <see cref="IterativeModel"/>: one request at a time, its last response is the final one.</summary>
internal sealed class IterativeInstance(TimeSpan delay, TimeProvider time) : IStreamingInstance
{
    public async ValueTask ExecuteAsync(IResponseChannel responses)
    {
        var left = SampleTensors.Read<int>(responses.Inputs, 0)[0];
        do
        {
            if (delay > TimeSpan.Zero)
                await Task.Delay(delay, time, CancellationToken.None).ConfigureAwait(false);
            if (responses.CancellationToken.IsCancellationRequested)
                throw new InferenceException(InferenceCode.Cancelled, "cancelled");
            left--;
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

            await responses.SendAsync(response, isFinal: left <= 0).ConfigureAwait(false);
        }
        while (left > 0);
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }
}
