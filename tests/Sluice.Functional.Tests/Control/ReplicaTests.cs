using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Control;

/// <summary>Two replicas on one PostgreSQL store, and a store that is away for a while.</summary>
public sealed class ReplicaTests : IDisposable
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    private readonly PostgresServer? _postgres = PostgresServer.TryStart();
    private readonly string _shared = Directory.CreateTempSubdirectory("sluice-shared-").FullName;

    public void Dispose()
    {
        _postgres?.Dispose();
        Directory.Delete(_shared, recursive: true);
    }

    [Fact]
    public async Task Versions_OnTwoReplicas_HaveTheSameNumbers()
    {
        if (_postgres is null)
            return;
        await using var one = await ControlledServer.StartAsync(change: options => OnPostgres(options, "one"));
        await using var two = await ControlledServer.StartAsync(change: options => OnPostgres(options, "two"));
        await one.CreateServiceAsync();
        two.ServiceId = one.ServiceId;
        await two.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--max-versions", "3", "--project", "tests");
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? one : two).UploadAsync("add_sub_int32")));
        var registry = (await one.JsonAsync("model", "registry")).EnumerateArray().Select(model => model.GetProperty("id").GetString()).ToList();
        Assert.Equal(6, registry.Count);

        // The three newest are served in the end, whatever came between; both replicas say so with the same numbers.
        var (first, second) = (await SettledAsync(one, registry), await SettledAsync(two, registry));
        Assert.Equal(first, second);
        foreach (var key in first.Keys)
        {
            await one.ReadyAsync(key);
            await two.ReadyAsync(key);
            Assert.Equal(200, (await two.ServeAsync(key, Request)).Status);
        }

        var status = await one.DoAsync("endpoint", "status", "--wait", "30");
        Assert.All(first.Keys, key => Assert.Equal(2, status.Split('\n').Count(line => line.StartsWith(key + "  ", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Store_ThatIsAway_RefusesEdits_AndCallsGoOn()
    {
        if (_postgres is null)
            return;
        await using var server = await ControlledServer.StartAsync(change: options => OnPostgres(options, "one"));
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("m", "1", model);
        using var stop = new CancellationTokenSource();
        var load = CallUntilAsync(server, stop.Token);
        _postgres.Stop();
        var refused = await server.FailAsync(1, "model", "remove", "--endpoint", "m/1");
        Assert.Contains("Error: ", refused, StringComparison.Ordinal);
        Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        _postgres.Start();
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        while ((await server.CliAsync("model", "add", "--engine", "triton", "--endpoint", "m", "--version", "2", "--model-id", model)).Code != 0)
            Assert.False(limit.IsCancellationRequested, "edits do not work again");
        await server.ReadyAsync("m/2");
        await stop.CancelAsync();
        Assert.True(await load > 0);
    }

    private static async Task<int> CallUntilAsync(ControlledServer server, CancellationToken stop)
    {
        var count = 0;
        for (; !stop.IsCancellationRequested; count++)
        {
            var (status, body) = await server.ServeAsync("m/1", Request);
            Assert.True(status == 200, $"{status}: {body}");
        }

        return count;
    }

    private static async Task<Dictionary<string, string>> SettledAsync(ControlledServer server, List<string?> registry)
    {
        var newest = registry.Take(3).Order().ToList();
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        while (true)
        {
            var served = (await server.JsonAsync("model", "list")).GetProperty("model_monitoring_eps").EnumerateObject()
                .ToDictionary(endpoint => endpoint.Name, endpoint => endpoint.Value.GetProperty("model_id").GetString()!);
            if (served.Values.Order().SequenceEqual(newest))
                return served;
            Assert.False(limit.IsCancellationRequested, string.Join(", ", served));
        }
    }

    private ServerOptions OnPostgres(ServerOptions options, string replica) => options with
    {
        ControlPlane = options.ControlPlane! with
        {
            Store = _postgres!.Address + ";Database=postgres",
            Artifacts = _shared,
            Replica = replica,
            PollPeriod = TimeSpan.FromMilliseconds(200),
        },
    };
}
