using System.Diagnostics;

namespace Sluice.Load.Measuring;

/// <summary>Collects what the callers of one run see; knows the warm-up from the time that counts.</summary>
/// <remarks><b>Threads.</b> Any number; each call locks for a moment, which costs far less than a request.</remarks>
internal sealed class Measurement
{
    private readonly object _gate = new();
    private readonly LoadHistogram _latencies = new();
    private readonly LoadOptions _options;
    private readonly long _countsFrom;
    private readonly long _endsAt;
    private long _errors;
    private string? _firstError;
    private TimeSpan _cpuBefore;

    public Measurement(LoadOptions options)
    {
        _options = options;
        var now = Stopwatch.GetTimestamp();
        _countsFrom = now + ToTicks(options.WarmUp);
        _endsAt = _countsFrom + ToTicks(options.Duration);
    }

    public bool IsRunning => Stopwatch.GetTimestamp() < _endsAt;

    public long StartedAt { get; } = Stopwatch.GetTimestamp();

    public long EndsAt => _endsAt;

    public static long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    /// <summary>Reads the server's CPU time when the warm-up ends.</summary>
    public async Task WatchCpuAsync()
    {
        await Task.Delay(_options.WarmUp);
        if (_options.ServerProcessId is { } id)
            _cpuBefore = ProcessCpu.Read(id);
    }

    /// <summary>Counts a good answer.</summary>
    /// <param name="since">When the request was due (open loop) or sent (closed loop).</param>
    public void Succeeded(long since)
    {
        var now = Stopwatch.GetTimestamp();
        if (since < _countsFrom)
            return;
        lock (_gate)
            _latencies.Record((long)(Stopwatch.GetElapsedTime(since, now).TotalMilliseconds * 1e6));
    }

    public void Failed(long since, string error)
    {
        if (since < _countsFrom)
            return;
        lock (_gate)
        {
            _errors++;
            _firstError ??= error;
        }
    }

    public LoadReport ToReport(string scenario, int concurrency, double rate)
    {
        double? cpu = null;
        if (_options.ServerProcessId is { } id && _latencies.Count > 0)
            cpu = (ProcessCpu.Read(id) - _cpuBefore).TotalMicroseconds / _latencies.Count;
        return new LoadReport
        {
            Scenario = scenario,
            Concurrency = concurrency,
            Rate = rate,
            Requests = _latencies.Count,
            Errors = _errors,
            FirstError = _firstError,
            RequestsPerSecond = _latencies.Count / _options.Duration.TotalSeconds,
            MeanMicroseconds = _latencies.Count == 0 ? 0 : _latencies.SumNanoseconds / 1000.0 / _latencies.Count,
            P50Microseconds = _latencies.PercentileMicroseconds(0.5),
            P90Microseconds = _latencies.PercentileMicroseconds(0.9),
            P99Microseconds = _latencies.PercentileMicroseconds(0.99),
            P999Microseconds = _latencies.PercentileMicroseconds(0.999),
            MaxMicroseconds = _latencies.MaxNanoseconds / 1000.0,
            CpuMicrosecondsPerRequest = cpu,
        };
    }
}
