using Sluice.Inference;

namespace Sluice.Backends.Samples;

/// <summary>Waits in place of computing; <see cref="Terminate"/> ends the wait.</summary>
/// <remarks><b>Threads.</b> One wait at a time; <see cref="Terminate"/> from any thread.</remarks>
internal sealed class SampleDelay(ModelSettings settings, TimeProvider time)
{
    private CancellationTokenSource? _running;

    /// <exception cref="InferenceException"><see cref="InferenceCode.Cancelled"/>: it was ended.</exception>
    public ValueTask WaitAsync(TimeSpan delay) => delay == TimeSpan.Zero ? ValueTask.CompletedTask : WaitLongAsync(delay);

    public void Terminate()
    {
        try
        {
            Volatile.Read(ref _running)?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The wait is over.
        }
    }

    private async ValueTask WaitLongAsync(TimeSpan delay)
    {
        using var running = new CancellationTokenSource();
        Volatile.Write(ref _running, running);
        try
        {
            await Task.Delay(delay, time, running.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error)
        {
            throw new InferenceException(InferenceCode.Cancelled, $"model '{settings.Name}' was stopped", error);
        }
        finally
        {
            Volatile.Write(ref _running, null);
        }
    }
}
