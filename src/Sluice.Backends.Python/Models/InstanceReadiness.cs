using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;

namespace Sluice.Backends.Python.Models;

/// <summary>Asks a model's <c>is_ready</c> from time to time and keeps the answer.</summary>
/// <remarks>A model that is busy cannot answer; it keeps its last answer for so long.</remarks>
internal sealed class InstanceReadiness(PythonRuntime runtime) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private ITimer? _timer;
    private volatile bool _isReady = true;

    /// <summary>The last answer; true while there is none.</summary>
    public bool IsReady => _isReady;

    /// <summary>Begins to ask.</summary>
    public void Begin(Func<WorkerConnection?> worker) => _timer = runtime.Time.CreateTimer(
        _ =>
        {
            var writer = new FrameWriter();
            writer.Begin(Frames.Ping);
            worker()?.Main.Send(writer.End());
        },
        null, TimeSpan.Zero, Period);

    /// <summary>Takes an answer.</summary>
    public void Take(bool isReady) => _isReady = isReady;

    public void Dispose() => _timer?.Dispose();
}
