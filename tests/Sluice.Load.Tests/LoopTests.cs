using System.Diagnostics;
using System.Text.Json;
using Sluice.Load.Loops;
using Sluice.Load.Measuring;
using Sluice.Load.Scenarios;

namespace Sluice.Load.Tests;

/// <summary>The loops send what they say and charge the server for what it kept waiting.</summary>
public sealed class LoopTests
{
    [Fact]
    public async Task ClosedLoop_KeepsAsManyInFlightAsAsked()
    {
        var scenario = new Scenario { HoldsUntil = 5 };
        var measurement = new Measurement(Options("0.2"));
        await ClosedLoop.RunAsync(scenario, measurement, 5);
        Assert.Equal(5, scenario.MostInFlight);
        var report = measurement.ToReport("test", 5, 0);
        Assert.Equal(0, report.Errors);
        Assert.InRange(report.Requests, 5, scenario.Sent);
    }

    [Fact]
    public async Task ClosedLoop_AgainstADeadServer_CountsErrorsAndEnds()
    {
        var measurement = new Measurement(Options("0.1"));
        await ClosedLoop.RunAsync(new Scenario { Error = new IOException("refused") }, measurement, 2);
        var report = measurement.ToReport("test", 2, 0);
        Assert.Equal((0, "refused"), (report.Requests, report.FirstError));
        Assert.True(report.Errors > 0);
    }

    [Fact]
    public async Task OpenLoop_WhileTheServerStalls_CountsFromTheMomentEachWasDue()
    {
        // All 50 are answered together when the last one has come, so the first waited for nearly the whole half second.
        var scenario = new Scenario { HoldsUntil = 50 };
        var measurement = new Measurement(Options("0.5"));
        await OpenLoop.RunAsync(scenario, measurement, 100);
        var report = measurement.ToReport("test", 0, 100);
        Assert.Equal(50, report.Requests);
        Assert.Equal(50, scenario.MostInFlight);
        Assert.InRange(report.MaxMicroseconds, 480_000, 30_000_000);
        Assert.InRange(report.P50Microseconds, 230_000, 30_000_000);
    }

    [Fact]
    public void ProcessCpu_OfThisProcess_Grows_AndOfNobody_IsAnError()
    {
        var before = ProcessCpu.Read(Environment.ProcessId);
        var watch = Stopwatch.StartNew();
        while (ProcessCpu.Read(Environment.ProcessId) <= before)
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30));
        Assert.Throws<IOException>(() => ProcessCpu.Read(int.MaxValue));
    }

    [Fact]
    public void Report_AsJson_HasTheNamesThatScriptsRead()
    {
        var report = new Measurement(Options("1")).ToReport("grpc", 4, 0);
        using var json = JsonDocument.Parse(JsonSerializer.Serialize(report));
        string[] names = ["scenario", "concurrency", "rate", "requests", "errors", "rps", "p50_us", "p90_us", "p99_us", "p999_us", "cpu_us_per_request"];
        Assert.All(names, name => Assert.True(json.RootElement.TryGetProperty(name, out _), name));
        Assert.Equal(LoadReport.TableHead.Length, report.ToTableLine().Length);
    }

    private static LoadOptions Options(string seconds) => LoadOptions.Parse(["--seconds", seconds, "--warmup", "0"]);

    /// <summary>Answers when so many requests have come; at once from then on.</summary>
    private sealed class Scenario : ILoadScenario
    {
        private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _gate = new();
        private int _inFlight;

        public int HoldsUntil { get; init; }

        public Exception? Error { get; init; }

        public int Sent { get; private set; }

        public int MostInFlight { get; private set; }

        public async ValueTask SendAsync()
        {
            lock (_gate)
            {
                Sent++;
                MostInFlight = Math.Max(MostInFlight, ++_inFlight);
                if (Sent == HoldsUntil)
                    _opened.SetResult();
            }

            if (Error is not null)
                throw Error;
            if (HoldsUntil > 0)
                await _opened.Task;
            lock (_gate)
                _inFlight--;
        }

        public ValueTask DisposeAsync() => default;
    }
}
