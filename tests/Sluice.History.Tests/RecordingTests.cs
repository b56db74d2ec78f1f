using Sluice.Control.Records;
using Sluice.History.Points;
using Sluice.History.Recording;
using Sluice.History.Reports;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.History.Tests;

/// <summary>What is read of counters that calls pay for anyway.</summary>
public sealed class RecordingTests
{
    private static readonly MachineStatistics Machine = new() { CpuUsage = [10, 30], MemoryUsed = 100, MemoryFree = 300 };

    private readonly ManualTimeProvider _time = new();

    [Fact]
    public void Endpoint_OverSomeSamples_HasItsTotals_ItsMinuteAndItsPoints()
    {
        var statistics = new EndpointStatistics("e");
        var row = Row(statistics);
        var recorder = new RowRecorder(_time);
        Call(statistics, EndpointOutcome.Ok, 3, milliseconds: 10);
        Call(statistics, EndpointOutcome.BadRequest, 1, 0);
        Call(statistics, EndpointOutcome.Cancelled, 5, 0);
        _time.Advance(TimeSpan.FromSeconds(30));
        var first = recorder.Keep(row, Machine);
        Assert.Equal((3L, 1L, 3L), (first.Ok, first.Failed, first.Requests));
        Assert.Equal((6.0, 10.0, 20.0, 2.0, 400.0), (first[Gauge.RequestsMin], Math.Round(first[Gauge.LatencyMs]), first[Gauge.CpuUtil], first[Gauge.CpuCount], first[Gauge.RamTotal]));
        Assert.True(double.IsNaN(first[Gauge.GpuCount]));

        // Between samples a look shows what has come since, and changes nothing.
        Call(statistics, EndpointOutcome.Ok, 6, milliseconds: 20);
        _time.Advance(TimeSpan.FromSeconds(15));
        for (var i = 0; i < 2; i++)
        {
            var entry = recorder.Look(row, "here", Machine, TimeSpan.FromMinutes(2));
            Assert.Equal((9L, 1L), (entry.Report.Requests!.Value, entry.Figures!.Failures));
            Assert.Equal((9L, 1L, 12.0), (entry.Figures.Recent.Ok, entry.Figures.Recent.Failed, entry.Figures.Recent.PerMinute));
            Assert.Equal((9 * 60 / 45.0, "here", "/serve/e"), (entry.Report.RequestsPerMinute!.Value, entry.Report.ContainerId, entry.Report.EndpointUrl));
        }

        _time.Advance(TimeSpan.FromSeconds(15));
        Assert.Equal((6L, 0L, 9L), (recorder.Keep(row, Machine) is var second ? second.Ok : 0, second.Failed, second.Requests));
        Assert.Equal(9, second[Gauge.RequestsMin]);
        _time.Advance(TimeSpan.FromSeconds(30));
        var idle = recorder.Keep(row, Machine);
        Assert.Equal((0L, 9L, 6.0, 0.0), (idle.Ok, idle.Requests, idle[Gauge.RequestsMin], idle[Gauge.LatencyMs]));
        Assert.Empty(idle.Latency);
    }

    [Fact]
    public void Versions_ThatComeAndGo_LoseNoCount_AndMakeNoneTwice()
    {
        var (first, second) = (new ModelStatistics(8), new ModelStatistics(8));
        var recorder = new RowRecorder(_time);
        Run(first, 4);
        Assert.Equal(4, recorder.Keep(ModelRow(first), Machine).Requests);
        Run(first, 1);
        Run(second, 2);
        Assert.Equal(7, recorder.Keep(ModelRow(first, second), Machine).Requests);
        Run(second, 3);
        var point = recorder.Keep(ModelRow(second), Machine);
        Assert.Equal((10L, 3L), (point.Requests, point.Ok));

        // The first one is loaded again: counting begins anew.
        first = new ModelStatistics(8);
        Run(first, 5);
        Assert.Equal(15, recorder.Keep(ModelRow(first, second), Machine).Requests);
    }

    [Fact]
    public void Batches_AndQueues_AreThoseOfTheStretch()
    {
        var model = new ModelStatistics(64);
        var recorder = new RowRecorder(_time);
        var timing = new ExecutionTiming(1, 1, 1);
        foreach (var rows in new[] { 1, 2, 3, 4, 5, 64, 64 })
            model.RecordExecution(rows, in timing);
        model.QueueLatency.Record(1_000_000, 7);
        var point = recorder.Keep(ModelRow(model), Machine);
        Assert.Equal([new(0, 1), new(1, 1), new(2, 2), new(3, 1), new(6, 2)], point.Batches);
        Assert.Equal(7, Assert.Single(point.Queue).Count);
        model.RecordExecution(64, in timing);
        Assert.Equal([new BucketCount(6, 1)], recorder.Keep(ModelRow(model), Machine).Batches);
    }

    [Fact]
    public void Endpoint_ThatDoesNotServe_HasNoAddressYet_AndItsReason()
    {
        var entry = new RowRecorder(_time).Look(
            Row(new EndpointStatistics("e")) with { Phase = EndpointPhase.Failed, Reason = "no model" }, "here", Machine, TimeSpan.FromMinutes(2));
        Assert.Equal((null, "/serve/e", "no model"), (entry.Report.EndpointUrl, entry.Url, entry.Figures!.Reason));
    }

    [Fact]
    public void Arms_OfACanary_AreCountedEach()
    {
        var (one, two) = (new EndpointStatistics("m/1"), new EndpointStatistics("m/2"));
        var (first, second) = (RequestCounter.Of(one), RequestCounter.Of(two));
        var row = Row(one) with { Kind = RowKind.Canary, Counters = [first, second], Arms = [new("m/1", 0.9, first), new("m/2", 0.1, second)] };
        var recorder = new RowRecorder(_time);
        _ = recorder.Look(row, "here", Machine, TimeSpan.FromMinutes(2));
        Call(one, EndpointOutcome.Ok, 9, 1);
        Call(two, EndpointOutcome.Failed, 1, 1);
        _time.Advance(TimeSpan.FromSeconds(60));
        var figures = recorder.Look(row, "here", Machine, TimeSpan.FromMinutes(2)).Figures!;
        Assert.Equal([("m/1", 9L, 0L, 9.0), ("m/2", 0L, 1L, 0.0)], figures.Arms.Select(arm => (arm.Endpoint, arm.Ok, arm.Failed, arm.Recent.PerMinute)));
        Assert.Equal((9L, 1L), (figures.Recent.Ok, figures.Recent.Failed));
    }

    [Fact]
    public void Machine_IsReadFromTheKernelsFiles()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-proc-").FullName;
        Directory.CreateDirectory(Path.Combine(folder, "net"));
        Write(busy: 100, received: 1 << 20, sent: 0);
        var reader = new MachineReader(_time, new KernelFiles(folder));

        // Of the time before the first look it says nothing, least of all the mean since boot.
        Assert.Equal([0, 0], reader.Read().CpuUsage);
        _time.Advance(TimeSpan.FromSeconds(10));
        Write(busy: 200, received: 21 << 20, sent: 5 << 20);
        var read = reader.Read();
        Assert.Equal([50, 0], read.CpuUsage);
        Assert.Equal((300, 700), (read.MemoryUsed, read.MemoryFree));
        Assert.Equal((2, 0.5), (Math.Round(read.NetworkRx!.Value, 3), Math.Round(read.NetworkTx!.Value, 3)));
        Directory.Delete(folder, recursive: true);

        // What cannot be read is left out.
        Assert.Empty(reader.Read().CpuUsage!);
        Assert.Null(reader.Read().MemoryUsed);

        void Write(int busy, int received, int sent)
        {
            File.WriteAllText(Path.Combine(folder, "stat"), $"cpu  1 1 1 1 1 0 0 0 0 0\ncpu0 {busy} 0 0 {busy} 0 0 0 0 0 0\ncpu1 50 0 0 50 0 0 0 0 0 0\nintr 1\n");
            File.WriteAllText(Path.Combine(folder, "meminfo"), "MemTotal:  1024000 kB\nMemFree:  1 kB\nMemAvailable:  716800 kB\n");
            File.WriteAllText(
                Path.Combine(folder, "net", "dev"),
                $"Inter-|   Receive  |  Transmit\n face |bytes\n    lo: 999999999 1 0 0 0 0 0 0 999999999 1 0 0 0 0 0 0\n  eth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n");
        }
    }

    private static void Call(EndpointStatistics statistics, EndpointOutcome outcome, int count, double milliseconds)
    {
        for (var i = 0; i < count; i++)
            statistics.Record(outcome, (long)(milliseconds / 1000 * System.Diagnostics.Stopwatch.Frequency));
    }

    private static void Run(ModelStatistics model, int count)
    {
        var timing = new ExecutionTiming(1, 1, 1);
        for (var i = 0; i < count; i++)
        {
            model.RecordSuccess(1, 1, 1000, 10, in timing);
            model.RequestLatency.Record(1000);
        }
    }

    private static ServedRow Row(EndpointStatistics statistics) =>
        new() { Name = "e", Url = "/serve/e", Kind = RowKind.Static, Counters = [RequestCounter.Of(statistics)] };

    private static ServedRow ModelRow(params ModelStatistics[] models) => new()
    {
        Name = "m",
        Url = "/v2/models/m",
        Kind = RowKind.Model,
        Counters = [.. models.Select(RequestCounter.Of)],
        Models = models,
    };
}
