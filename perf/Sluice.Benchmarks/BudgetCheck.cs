using System.Diagnostics;
using System.Text.Json;

namespace Sluice.Benchmarks;

/// <summary>Measures each step for a moment and compares it with its ceilings: bytes are held, times only reported.</summary>
internal static class BudgetCheck
{
    private const int Batch = 1000;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Measurement = TimeSpan.FromSeconds(0.5);

    public static int Run(string budgetsPath)
    {
        using var path = new HotPath();
        using var budgets = JsonDocument.Parse(File.ReadAllBytes(budgetsPath));
        var isOver = false;
        Console.WriteLine($"{"step",-30} {"bytes/op",10} {"ceiling",8} {"ns/op",10} {"ceiling",8}");
        foreach (var (name, step) in path.Steps)
        {
            if (!budgets.RootElement.TryGetProperty(name, out var budget))
            {
                Console.WriteLine($"{name,-30} has no entry in budgets.json");
                isOver = true;
                continue;
            }

            var (bytes, nanoseconds) = Measure(step);
            var (mostBytes, mostNanoseconds) = (budget.GetProperty("bytes").GetDouble(), budget.GetProperty("nanoseconds").GetDouble());
            var verdict = bytes > mostBytes ? "  TOO MANY BYTES" : nanoseconds > mostNanoseconds ? "  slow (not held)" : "";
            Console.WriteLine($"{name,-30} {bytes,10:F2} {mostBytes,8:F0} {nanoseconds,10:F0} {mostNanoseconds,8:F0}{verdict}");
            isOver |= bytes > mostBytes;
        }

        foreach (var entry in budgets.RootElement.EnumerateObject().Where(entry => !path.Steps.ContainsKey(entry.Name)))
        {
            Console.WriteLine($"{entry.Name,-30} is in budgets.json and nowhere else");
            isOver = true;
        }

        return isOver ? 1 : 0;
    }

    private static (double Bytes, double Nanoseconds) Measure(Action step)
    {
        RunFor(step, WarmUp);
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        var count = RunFor(step, Measurement);
        var elapsed = watch.Elapsed;
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;

        // Less than a byte per hundred operations is the measurement's own.
        return (Math.Round((double)bytes / count, 2), elapsed.TotalNanoseconds / count);
    }

    private static long RunFor(Action step, TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        var count = 0L;
        do
        {
            for (var i = 0; i < Batch; i++)
                step();
            count += Batch;
        }
        while (Stopwatch.GetElapsedTime(start) < time);

        return count;
    }
}
