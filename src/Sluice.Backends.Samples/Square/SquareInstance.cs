using Sluice.Inference;

namespace Sluice.Backends.Samples.Square;

/// <summary>Serves <see cref="SquareModel"/>: takes the next request at once, responses come at their own pace.</summary>
internal sealed class SquareInstance(SquareOptions options, TimeProvider time) : IStreamingInstance
{
    public ValueTask ExecuteAsync(IResponseChannel responses)
    {
        var shape = responses.Inputs.Inputs[0].Shape;
        if (shape.Rank == 2 && shape[0] != 1)
            throw InferenceException.Invalid(
                $"unexpected shape {shape} for IN input of model '{responses.Inputs.Settings.Name}', expected one row");
        _ = RespondAsync(responses, SampleTensors.Read<int>(responses.Inputs, 0)[0]);
        return ValueTask.CompletedTask;
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }

    private async Task RespondAsync(IResponseChannel responses, int count)
    {
        try
        {
            for (var i = 0; i < count; i++)
            {
                if (responses.CancellationToken.IsCancellationRequested)
                {
                    await SleepAsync(options.CancelDelay).ConfigureAwait(false);
                    await responses.FailAsync(InferenceCode.Cancelled, "cancelled", isFinal: true).ConfigureAwait(false);
                    return;
                }

                await SleepAsync(options.InferDelay).ConfigureAwait(false);
                await StepAsync(responses, count - i, count).ConfigureAwait(false);
            }

            await responses.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            await BackgroundResponses.FailAsync(responses, error).ConfigureAwait(false);
        }
    }

    /// <summary>The last steps are empty, those before them fail, and all before these succeed.</summary>
    private async ValueTask StepAsync(IResponseChannel responses, int left, int count)
    {
        if (left <= options.EmptyCount)
        {
            responses.SkipResponse();
            return;
        }

        var response = MakeResponse(responses, count);
        await SleepAsync(options.OutputDelay).ConfigureAwait(false);
        if (left > options.EmptyCount + options.FailCount)
        {
            await responses.SendAsync(response).ConfigureAwait(false);
            return;
        }

        response.Release();
        await responses.FailAsync(InferenceCode.Unknown, "simulated failure").ConfigureAwait(false);
    }

    private static ExecutionBatch MakeResponse(IResponseChannel responses, int value)
    {
        var response = responses.Rent();
        try
        {
            if (response.IsRequested(0))
                SampleTensors.Write<int>(response, 0, in responses.Inputs.Inputs[0].Shape, 1)[0] = value;
            return response;
        }
        catch
        {
            response.Release();
            throw;
        }
    }

    private Task SleepAsync(TimeSpan delay) => delay == TimeSpan.Zero ? Task.CompletedTask : Task.Delay(delay, time);
}
