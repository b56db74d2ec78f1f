using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>A caller that gives up when the test says so.</summary>
public sealed class FakeLifetime : ICallLifetime, IDisposable
{
    private readonly CancellationTokenSource _source = new();

    public CancellationToken CancellationToken => _source.Token;

    public bool IsDeadlineExceeded { get; set; }

    public void Cancel() => _source.Cancel();

    public void Dispose() => _source.Dispose();
}
