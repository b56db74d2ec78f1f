
namespace Sluice.Functional.Tests.Control;

/// <summary>Endpoints that follow the registry (spec clearml §2.6).</summary>
public sealed class AutoUpdateTests
{
    [Fact]
    public async Task Numbers_OutliveTheServer_AndAreNeverGivenTwice()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-auto-").FullName;
        try
        {
            string service, first;
            await using (var server = await ControlledServer.StartAsync(folder))
            {
                await server.CreateServiceAsync();
                service = server.ServiceId;
                await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--max-versions", "2", "--project", "tests");
                first = await server.UploadAsync("add_sub_int32");
                await server.ReadyAsync("a/1");
                await server.UploadAsync("add_sub_int32");
                await server.ReadyAsync("a/2");
                await server.UploadAsync("add_sub_int32");
                await server.ReadyAsync("a/3");
                await server.StatusAsync("/health/endpoints/a/1", 404);
                await server.ReadyAsync("a/2");
            }

            await using (var server = await ControlledServer.StartAsync(folder))
            {
                // Ready means that the endpoints of before are there.
                server.ServiceId = service;
                Assert.Equal(["a/2", "a/3"], await KeysAsync(server));
                using var response = await server.Http.GetAsync("/health/endpoints/a/3");
                Assert.Equal(200, (int)response.StatusCode);

                // The newest goes: the first comes back under its own number, below the one that stays.
                var newest = (await server.JsonAsync("model", "registry"))[0].GetProperty("id").GetString()!;
                await server.DoAsync("model", "archive", newest);
                await server.ReadyAsync("a/1");
                await server.StatusAsync("/health/endpoints/a/3", 404);
                Assert.Equal(["a/1", "a/2"], await KeysAsync(server));
                await server.UploadAsync("add_sub_int32");
                await server.ReadyAsync("a/4");
                Assert.Equal(["a/2", "a/4"], await KeysAsync(server));
                Assert.Equal(first, (await server.JsonAsync("model", "registry"))[2].GetProperty("id").GetString());

                await server.DoAsync("model", "remove", "--endpoint", "a");
                await server.StatusAsync("/health/endpoints/a/4", 404);
                await server.StatusAsync("/health/endpoints/a/2", 404);
                await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--max-versions", "1", "--project", "tests");
                await server.ReadyAsync("a/4");
                Assert.Equal(["a/4"], await KeysAsync(server));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Canary_WhoseVersionsGoWithTheirMonitor_IsWarnedOf_WhenAppliedAndWhenRemoved()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        await server.AddAsync("m", "1", await server.UploadAsync("add_sub_int32"));
        await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--project", "tests");
        await server.ReadyAsync("a/1");
        await server.DoAsync("model", "canary", "--endpoint", "some", "--weights", "1", "1", "--input-endpoints", "a/1", "m/1");
        await server.DoAsync("model", "canary", "--endpoint", "all", "--weights", "1", "--input-endpoints", "a/1");
        await server.DoAsync("model", "canary", "--endpoint", "begun", "--weights", "1", "--input-endpoint-prefix", "a/");
        await server.DoAsync("metrics", "add", "--endpoint", "a/1", "--variable-value", "x");
        var file = Path.Combine(server.Folder, "state.yaml");
        await server.DoAsync("export", "--file", file);
        var text = await File.ReadAllTextAsync(file);
        Assert.DoesNotContain("Warning", await server.DoAsync("apply", "--file", file, "--dry-run"), StringComparison.Ordinal);
        var (from, to) = (text.IndexOf("monitors:", StringComparison.Ordinal), text.IndexOf("canaries:", StringComparison.Ordinal));
        await File.WriteAllTextAsync(file, text[..from] + text[to..]);
        string[] warnings =
        [
            "Warning: canary 'some': input endpoint 'a/1' is not there; its share goes to the others until it is\n",
            "Warning: canary 'all': none of its input endpoints is there: a/1; calls fail until one is\n",
            "Warning: canary 'begun': no endpoint starts with 'a/'; calls fail until one does\n",
            "Warning: metrics of 'a/1': there is no such endpoint; nothing is measured until there is\n",
        ];
        var plan = await server.DoAsync("apply", "--file", file, "--dry-run");
        Assert.All(warnings, warning => Assert.Contains(warning, plan, StringComparison.Ordinal));

        var removed = await server.DoAsync("model", "remove", "--endpoint", "a");
        Assert.All(warnings[..3], warning => Assert.Contains(warning, removed, StringComparison.Ordinal));

        // Metrics outlive their endpoints, so what is exported then can be applied too.
        await server.DoAsync("export", "--file", file);
        var applied = await server.DoAsync("apply", "--file", file);
        Assert.All(warnings, warning => Assert.Contains(warning, applied, StringComparison.Ordinal));
        Assert.Contains("Nothing to change", applied, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publishing_AndTagging_BringEndpoints_OneWrongMonitorHoldsUpNoOther()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a-none", "--project", "no such project", "--max-versions", "2");
        await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "b", "--project", "tests", "--published", "--latest");
        await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "t", "--tags", "good", "-bad");
        var model = await server.UploadAsync("add_sub_int32");
        Assert.Empty(await KeysAsync(server));
        await server.DoAsync("model", "promote", model);
        await server.ReadyAsync("b/1");
        await server.ReadyAsync("b");
        await server.DoAsync("model", "tag", model, "--add", "good");
        await server.ReadyAsync("t/1");
        await server.DoAsync("model", "tag", model, "--add", "bad");
        await server.StatusAsync("/health/endpoints/t/1", 404);
        await server.ReadyAsync("b/1");
    }

    private static async Task<string[]> KeysAsync(ControlledServer server) =>
        [.. (await server.JsonAsync("model", "list")).GetProperty("model_monitoring_eps").EnumerateObject().Select(endpoint => endpoint.Name)
            .Order(StringComparer.Ordinal)];
}
