using System.Buffers;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.History.Api;
using Sluice.History.Recording;
using Sluice.History.Reports;
using Sluice.Testing;
using Xunit.Abstractions;

namespace Sluice.History.Tests;

/// <summary>Who is believed alive, how many are taken, and what it costs.</summary>
public sealed class ContainerRegistryTests(ITestOutputHelper output)
{
    private readonly SetTimeProvider _time = new();

    [Fact]
    public void Containers_PastTheMost_AreRefused_UntilOthersDie()
    {
        var registry = new ContainerRegistry(_time, most: 2);
        registry.Register(Report("a", "u") with { Timeout = TimeSpan.FromSeconds(10) });
        registry.Report(Report("b", "u"));
        Assert.Contains("2 containers", Assert.Throws<ServingException>(() => registry.Report(Report("c", "u"))).Message, StringComparison.Ordinal);
        registry.Report(Report("b", "v"));
        Assert.Equal(["a"], registry.OfUrl("u").Select(entry => entry.Report.ContainerId));
        _time.Now += TimeSpan.FromSeconds(10);
        registry.Report(Report("c", "u"));
        Assert.Equal(["c"], registry.OfUrl("u").Select(entry => entry.Report.ContainerId));
    }

    [Fact]
    public void Timeout_OfARegistration_CountsForReportsToo()
    {
        var registry = new ContainerRegistry(_time);
        registry.Register(Report("a", "u") with { Timeout = TimeSpan.FromSeconds(100) });
        _time.Now += TimeSpan.FromSeconds(99);
        registry.Report(Report("a", "u"));
        _time.Now += TimeSpan.FromSeconds(99);
        Assert.Single(registry.OfUrl("u"));
        _time.Now += TimeSpan.FromSeconds(1);
        Assert.Empty(registry.OfUrl("u"));
        registry.Report(Report("a", "u"));
        _time.Now += TimeSpan.FromSeconds(599);
        Assert.Single(registry.OfUrl("u"));
    }

    [Fact]
    public void OtherReplicas_AreFollowed_AndOwnNewerWordsStay()
    {
        var (here, there) = (new ContainerRegistry(_time), new ContainerRegistry(_time));
        there.Report(Report("a", "u") with { Requests = 1 });
        Follow(there, here);
        Assert.Equal(1, Assert.Single(here.OfUrl("u")).Report.Requests);
        _time.Now += TimeSpan.FromSeconds(1);
        here.Report(Report("a", "u") with { Requests = 2 });
        there.Report(Report("a", "u") with { Requests = 3 });
        Follow(there, here);
        Assert.Equal(2, Assert.Single(here.OfUrl("u")).Report.Requests);
        _ = here.TakeChanges();
        there.Remove(ContainerEntry.KeyOf("a"));
        Follow(there, here);
        Assert.Empty(here.OfUrl("u"));

        static void Follow(ContainerRegistry from, ContainerRegistry to)
        {
            foreach (var (key, entry) in from.TakeChanges())
                to.Follow(key, entry);
        }
    }

    [Fact]
    public void Replicas_AndContainersOfTheSameName_AreTwo() =>
        Assert.NotEqual(ContainerEntry.KeyOf("r:here:u"), ContainerEntry.KeyOf("here", "u"));

    [Fact]
    public void Ids_AreThoseOfThePage() =>
        Assert.Equal("dd2c1780-811a-5296-81c5-178a0ef488bc", RowIds.Of("https://example.com/"));

    /// <summary>1,000 endpoints with 200 instances each: what a company has in its largest year.</summary>
    [Fact]
    public async Task ThousandEndpoints_WithTwoHundredInstances_AreListedInTime_WithinTheirMemory()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-history-");
        await using (var history = new HistoryService(
            new HistoryOptions { IsOn = false }, Path.Combine(folder.FullName, "control.db"), "here", new NoRows(), NullLogger<HistoryService>.Instance, _time))
        {
            var before = GC.GetTotalMemory(forceFullCollection: true);
            for (var i = 0; i < 200_000; i++)
                history.Report(Report($"{i:x32}", $"http://10.0.0.1/serve/endpoint{i % 1000}") with { Requests = i, RequestsPerMinute = 5, LatencyMilliseconds = 10 });
            var bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
            var api = new ServingApi(history);
            var best = TimeSpan.MaxValue;
            var answer = new ArrayBufferWriter<byte>();
            for (var i = 0; i < 40; i++)
            {
                answer = new ArrayBufferWriter<byte>();
                var began = Stopwatch.GetTimestamp();
                Assert.Equal(200, await api.CallAsync("get_endpoints", default, answer, default));
                best = TimeSpan.FromTicks(Math.Min(best.Ticks, Stopwatch.GetElapsedTime(began).Ticks));
            }

            output.WriteLine($"get_endpoints: {best.TotalMilliseconds:F1} ms, {answer.WrittenCount} bytes; 200,000 containers: {bytes / 1e6:F0} MB");
            Assert.Equal(1000, System.Text.Json.Nodes.JsonNode.Parse(answer.WrittenSpan)!["data"]!["endpoints"]!.AsArray().Count);
            Assert.InRange(bytes, 0, 400_000_000);
            Assert.True(best < TimeSpan.FromSeconds(1), $"{best.TotalMilliseconds} ms");
        }

        folder.Delete(recursive: true);
    }

    private static ContainerReport Report(string id, string url) => new() { ContainerId = id, EndpointName = "e", ModelName = "m", EndpointUrl = url };

    private sealed class NoRows : IServedRows
    {
        public IReadOnlyList<ServedRow> List() => [];
    }
}
