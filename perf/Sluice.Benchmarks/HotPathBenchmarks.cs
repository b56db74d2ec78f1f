using BenchmarkDotNet.Attributes;

namespace Sluice.Benchmarks;

/// <summary>One benchmark per step of the hot path, of an add_sub request of two INT32 [1, 16].</summary>
[MemoryDiagnoser]
public class HotPathBenchmarks : IDisposable
{
    private HotPath? _path;
    private Action _run = null!;

    [ParamsSource(nameof(Steps))]
    public string Step { get; set; } = "";

    public static IEnumerable<string> Steps => HotPath.StepNames;

    [GlobalSetup]
    public void SetUp()
    {
        _path = new HotPath();
        _run = _path.Steps[Step];
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _path?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Run() => _run();
}
