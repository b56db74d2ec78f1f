using Sluice.Inference;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Sends the responses of one request in the order of the responses that they come from.</summary>
/// <remarks><b>Threads.</b> Any; one of them sends at a time, and no lock is held meanwhile.</remarks>
internal sealed class EnsembleAnswers(EnsembleRun run)
{
    private readonly Queue<EnsembleScope> _expected = new();
    private bool _isSending;

    /// <summary>A scope that will have an answer has been opened.</summary>
    public void Expect(EnsembleScope scope)
    {
        lock (_expected)
            _expected.Enqueue(scope);
    }

    /// <summary>A scope has ended; its answer goes when those before it have gone.</summary>
    public void Send(EnsembleScope scope)
    {
        lock (_expected)
        {
            scope.IsReady = true;
            if (_isSending)
                return;
            _isSending = true;
        }

        SendReady();
    }

    private async void SendReady()
    {
        while (true)
        {
            EnsembleScope? next;
            lock (_expected)
            {
                if (!_expected.TryPeek(out next) || !next.IsReady)
                {
                    _isSending = false;
                    return;
                }

                _expected.Dequeue();
            }

            if (!run.HasFailed)
                await run.SendAsync(next, ResponseKind.Partial).ConfigureAwait(false);
            next.End();
        }
    }
}
