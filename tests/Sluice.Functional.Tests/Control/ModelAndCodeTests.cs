using Sluice.Functional.Tests.Python;

namespace Sluice.Functional.Tests.Control;

/// <summary>An edit of an endpoint's model and code at once: no call sees the one without the other.</summary>
[Collection(PythonGroup.Name)]
public sealed class ModelAndCodeTests
{
    private const string Request = """{"a": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "b": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    [Fact]
    public async Task Calls_DuringTheChange_HaveEitherBothOldOrBothNew()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await PutAsync(server, model, 0);
        await server.ReadyAsync("e");
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => CallUntilAsync(server, stop.Token)));
        for (var change = 1; change <= 3; change++)
        {
            await PutAsync(server, model, change);
            using var limit = new CancellationTokenSource(Infrastructure.ServerFixture.Patience);
            while (await CallAsync(server) != change)
                limit.Token.ThrowIfCancellationRequested();
        }

        await stop.CancelAsync();
        Assert.All(await load, count => Assert.True(count > 0));
    }

    [Fact]
    public async Task CodeThatDoesNotLoad_LeavesModelAndCodeThatServe()
    {
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await PutAsync(server, model, 0);
        await server.ReadyAsync("e");
        await PutAsync(server, model, 1, "raise RuntimeError('no such luck')");
        await Infrastructure.Eventually.TrueAsync(
            () => server.CliAsync("endpoint", "status").GetAwaiter().GetResult().Output.Contains("no such luck", StringComparison.Ordinal), () => "the failure is not told");
        Assert.Equal(0, await CallAsync(server));
        await PutAsync(server, model, 3);
        using var limit = new CancellationTokenSource(Infrastructure.ServerFixture.Patience);
        while (await CallAsync(server) != 3)
            limit.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Even changes serve the sum, odd ones the difference: another model configuration, and code that fits no other.</summary>
    private static async Task PutAsync(ControlledServer server, string model, int change, string more = "")
    {
        var output = $"OUTPUT{change % 2}";
        var code = Path.Combine(server.Folder, "preprocess.py");
        await File.WriteAllTextAsync(code, $$"""
            {{more}}
            import numpy as np


            class Preprocess:
                def preprocess(self, body, state, collect_custom_statistics_fn=None):
                    return np.array([body["a"]], np.int32), np.array([body["b"]], np.int32)

                def postprocess(self, data, state, collect_custom_statistics_fn=None):
                    return {"change": {{change}}, "second": int(np.asarray(data).reshape(-1)[1])}
            """);
        await server.DoAsync(
            "model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", model, "--preprocess", code,
            "--input-name", "INPUT0", "INPUT1", "--input-type", "int32", "int32", "--input-size", "[16]", "[16]",
            "--output-name", output, "--output-type", "int32", "--output-size", "[16]", "--aux-config", "max_batch_size=4");
    }

    private static async Task<int> CallAsync(ControlledServer server)
    {
        var (status, body) = await server.ServeAsync("e", Request);
        Assert.True(status == 200, $"{status}: {body}");
        var change = body.GetProperty("change").GetInt32();
        Assert.Equal(change % 2 == 0 ? 2 : 0, body.GetProperty("second").GetInt32());
        return change;
    }

    private static async Task<int> CallUntilAsync(ControlledServer server, CancellationToken stop)
    {
        var count = 0;
        for (; !stop.IsCancellationRequested; count++)
            await CallAsync(server);
        return count;
    }
}
