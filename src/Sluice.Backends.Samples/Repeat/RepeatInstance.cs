using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Repeat;

/// <summary>Serves <see cref="RepeatModel"/>: is busy for <c>WAIT</c>, while the responses come at their own pace.</summary>
internal sealed class RepeatInstance(ModelSettings settings, int[] inputs, int[] outputs, TimeProvider time) : IStreamingInstance
{
    private readonly Shape _shape = Shape.Create(settings.MaxBatchSize > 0 ? [1, 1] : [1]);

    public async ValueTask ExecuteAsync(IResponseChannel responses)
    {
        Check(responses.Inputs);
        var wait = SampleTensors.Read<uint>(responses.Inputs, inputs[2]) is [var milliseconds, ..] ? milliseconds : 0;
        var cancellation = responses.CancellationToken;

        // Responses go on when the wait is over and the instance has its next request.
        _ = RespondAsync(responses);
        await SleepAsync(wait, cancellation).ConfigureAwait(false);
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }

    private async Task RespondAsync(IResponseChannel responses)
    {
        try
        {
            var count = SampleTensors.Read<int>(responses.Inputs, inputs[0]).Length;
            for (var i = 0; i < count; i++)
            {
                await SleepAsync(DelayAt(responses.Inputs, i), responses.CancellationToken).ConfigureAwait(false);
                if (responses.CancellationToken.IsCancellationRequested)
                {
                    await responses.FailAsync(InferenceCode.Cancelled, "cancelled", isFinal: true).ConfigureAwait(false);
                    return;
                }

                await responses.SendAsync(MakeResponse(responses, i)).ConfigureAwait(false);
            }

            await responses.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            await BackgroundResponses.FailAsync(responses, error).ConfigureAwait(false);
        }
    }

    private void Check(ExecutionBatch batch)
    {
        if (inputs[1] < 0 || !batch.Inputs[inputs[1]].IsPresent)
            return;
        var (values, delays) = (batch.Inputs[inputs[0]].Shape, batch.Inputs[inputs[1]].Shape);
        if (values != delays)
            throw InferenceException.Invalid(
                $"expected IN and DELAY shape to match, got {values} and {delays} for model '{settings.Name}'");
    }

    private uint DelayAt(ExecutionBatch batch, int index)
    {
        var delays = SampleTensors.Read<uint>(batch, inputs[1]);
        return index < delays.Length ? delays[index] : 0;
    }

    private ExecutionBatch MakeResponse(IResponseChannel responses, int index)
    {
        var response = responses.Rent();
        try
        {
            if (response.IsRequested(outputs[0]))
                SampleTensors.Write<int>(response, outputs[0], in _shape, 1)[0] =
                    SampleTensors.Read<int>(responses.Inputs, inputs[0])[index];
            if (outputs[1] >= 0 && response.IsRequested(outputs[1]))
                SampleTensors.Write<uint>(response, outputs[1], in _shape, 1)[0] = (uint)index;
            return response;
        }
        catch
        {
            response.Release();
            throw;
        }
    }

    /// <summary>Waits; a cancelled wait just ends early.</summary>
    private async ValueTask SleepAsync(uint milliseconds, CancellationToken cancellationToken)
    {
        if (milliseconds > 0)
            await Task.Delay(TimeSpan.FromMilliseconds(milliseconds), time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
