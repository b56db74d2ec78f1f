namespace Sluice.Backends.Python.Workers;

/// <summary>Looks at all running work a few times a second.</summary>
internal sealed class WorkWatch : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private readonly List<IBoundedWork> _work = [];
    private readonly ITimer _timer;

    public WorkWatch(TimeProvider time) => _timer = time.CreateTimer(
        static watch => ((WorkWatch)watch!).Look(), this, Period, Period);

    public void Add(IBoundedWork work)
    {
        lock (_work)
            _work.Add(work);
    }

    public void Remove(IBoundedWork work)
    {
        lock (_work)
            _work.Remove(work);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        IBoundedWork[] work;
        lock (_work)
            work = [.. _work];
        foreach (var one in work)
            one.Check(Environment.TickCount64);
    }
}
