using System.Diagnostics;
using System.Globalization;
using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Learns a model's run time by batch size while it serves, and sets size and delay for a stated latency.</summary>
/// <remarks>
/// <para>The time of an execution is taken as <c>fixed + rows · each</c>, fitted by least squares that forget. The largest batch is the one
/// that may come twice within the objective, once before a request and once with it. What the objective leaves besides is time to wait
/// for company, if company is to be expected: the machine then works less for each answer, and none is late.</para>
/// <para><b>Threads.</b> The scheduler's lock.</para>
/// </remarks>
internal sealed class BatchTuner
{
    private const string ObjectiveName = "slo_ms";
    private const double Forget = 0.98;
    private const double Margin = 0.9;
    private const double LeastCompany = 0.3;

    private readonly int _maxRows;
    private readonly int _instances;
    private readonly double _objective;
    private readonly double _period;
    private double _weight;
    private double _rows;
    private double _ticks;
    private double _rowsRows;
    private double _rowsTicks;
    private double _late;
    private double _rate;
    private long _periodRows;
    private long _periodStart;

    /// <param name="maxRows">Largest batch that the model takes.</param>
    /// <param name="objectiveTicks">Longest time from queue to answer that is wanted, clock ticks.</param>
    /// <param name="instances">Executions that run side by side.</param>
    public BatchTuner(int maxRows, long objectiveTicks, int instances)
    {
        _maxRows = maxRows;
        _objective = objectiveTicks;
        _instances = instances;
        _period = objectiveTicks * 2.0;
        Policy = new BatchPolicy(maxRows, [], 0);
    }

    /// <summary>Makes one for a model that has a latency objective: its parameter <c>slo_ms</c>, else the server's.</summary>
    /// <returns>Null when it has none or makes no batches.</returns>
    /// <exception cref="InferenceException">The parameter makes no sense.</exception>
    public static BatchTuner? For(ModelSettings model, TimeSpan serversObjective, int instances)
    {
        var objective = serversObjective;
        if (model.Parameters.TryGetValue(ObjectiveName, out var text))
            objective = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds is >= 0 and <= 3_600_000
                ? TimeSpan.FromMilliseconds(milliseconds)
                : throw InferenceException.Invalid(
                    $"parameter '{ObjectiveName}' of model '{model.Name}' must be a number of milliseconds from 0 (none) to 3600000, not '{text}'");
        return objective > TimeSpan.Zero && model is { MaxBatchSize: > 1, DynamicBatching: not null }
            ? new BatchTuner(model.MaxBatchSize, (long)(objective.TotalSeconds * Stopwatch.Frequency), instances)
            : null;
    }

    /// <summary>The choice so far; at first: whatever waits goes at once.</summary>
    public BatchPolicy Policy { get; private set; }

    /// <summary>Learns from one execution.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="ticks">Its time.</param>
    /// <param name="now">The clock.</param>
    public void Observe(int rows, long ticks, long now)
    {
        _weight = (_weight * Forget) + 1;
        _rows = (_rows * Forget) + rows;
        _ticks = (_ticks * Forget) + ticks;
        _rowsRows = (_rowsRows * Forget) + ((double)rows * rows);
        _rowsTicks = (_rowsTicks * Forget) + ((double)rows * ticks);
        _late = Math.Max(_late * Forget, ticks - Predict(rows));
        _periodRows += rows;
        if (_periodStart == 0)
            _periodStart = now;
        var passed = now - _periodStart;
        if (passed < _period)
            return;
        var rate = _periodRows / (double)passed;
        _rate = _rate == 0 ? rate : (_rate + rate) / 2;
        (_periodRows, _periodStart) = (0, now);
        Choose();
    }

    /// <summary>Predicts the time of an execution, clock ticks.</summary>
    public double Predict(double rows)
    {
        if (_weight == 0)
            return 0;
        var spread = (_weight * _rowsRows) - (_rows * _rows);
        var (meanRows, meanTicks) = (_rows / _weight, _ticks / _weight);

        // All batches of one size say nothing of others: half of the time is then taken as fixed.
        var each = spread > 1e-3 * _weight * _rowsRows
            ? ((_weight * _rowsTicks) - (_rows * _ticks)) / spread
            : meanTicks / (2 * Math.Max(1, meanRows));
        each = Math.Clamp(each, 0, meanTicks / Math.Max(1, meanRows));
        return Math.Max(0, meanTicks + ((rows - meanRows) * each));
    }

    private void Choose()
    {
        var budget = (Margin * _objective) - _late;
        var size = _maxRows;
        while (size > 1 && 2 * Predict(size) > budget)
            size--;

        // An objective that cannot be met is no reason to do less.
        if (2 * Predict(size) > budget)
            size = _maxRows;
        // The more rows there are, the longer they take and the sooner they must go.
        var (atOnce, each) = (Predict(0), (Predict(size) - Predict(0)) / size);
        var slack = budget - atOnce - each;
        var company = slack * _rate / _instances;
        Policy = company >= LeastCompany && slack > 0
            ? new BatchPolicy(_maxRows, size < _maxRows ? [size] : [], (long)(budget - atOnce), (long)each)
            : new BatchPolicy(_maxRows, size < _maxRows ? [size] : [], 0);
    }
}
