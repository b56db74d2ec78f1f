using System.Diagnostics;
using System.Globalization;

namespace Sluice.Benchmarks;

/// <summary>The bare engine call: a graph run again and again on one thread over the same memory, nothing of ours around it.</summary>
/// <remarks>What a server's CPU time per request is compared with; <c>perf/compare.sh</c> runs it in turn with the servers.</remarks>
internal static class BareRun
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(0.5);

    /// <summary><c>--bare MODEL.onnx ROWS SECONDS</c>: prints the CPU µs per row of a graph with FP32 tensors whose only
    /// free dimension is the batch.</summary>
    public static int Run(string file, string rowsText, string secondsText)
    {
        var rows = int.Parse(rowsText, CultureInfo.InvariantCulture);
        var time = TimeSpan.FromSeconds(double.Parse(secondsText, CultureInfo.InvariantCulture));
        using var call = new BareCall(file, rows);
        RunFor(call, WarmUp);
        var before = Environment.CpuUsage.TotalTime;
        var runs = RunFor(call, time);
        var cpu = Environment.CpuUsage.TotalTime - before;
        Console.WriteLine((cpu.TotalMicroseconds / runs / rows).ToString("F2", CultureInfo.InvariantCulture));
        return 0;
    }

    private static long RunFor(BareCall call, TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        var runs = 0L;
        for (; Stopwatch.GetElapsedTime(start) < time; runs++)
            call.Run();
        return runs;
    }
}
