using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Control;

/// <summary>Endpoints are changed, fail and mend each by itself, and nothing under way is lost.</summary>
public sealed class ReconcileTests
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    [Fact]
    public async Task BadEndpoint_SaysWhy_HurtsNoOther_AndMends()
    {
        await using var server = await ControlledServer.StartAsync(models: ["add_sub_int32"]);
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        var good = await server.UploadAsync("add_sub_int32");
        var bad = await server.UploadAsync("bad_truncated");
        await server.AddAsync("good", "", good);
        using var stop = new CancellationTokenSource();
        var load = CallUntilAsync(server, "good", stop.Token);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "bad", "--model-id", bad);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "add_sub_int32", "--model-id", good);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "wrong", "--model-id", good, "--input-size", "7", "--input-type", "int32", "--input-name", "NOTHING",
            "--output-size", "7", "--output-type", "int32", "--output-name", "OUTPUT0");
        foreach (var name in new[] { "bad", "add_sub_int32", "wrong" })
        {
            await server.StatusAsync($"/health/endpoints/{name}", 503);
            await Eventually.TrueAsync(() => server.ServeAsync(name, Request).GetAwaiter().GetResult().Status == 422, () => name);
            var (_, body) = await server.ServeAsync(name, Request);
            Assert.Contains($"endpoint '{name}' cannot be loaded: ", body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        }

        var status = await server.FailAsync(1, "endpoint", "status");
        Assert.Contains("a model repository has a model 'add_sub_int32' already", status, StringComparison.Ordinal);
        Assert.Contains("NOTHING", status, StringComparison.Ordinal);
        using var ready = await server.Http.GetAsync("/health/ready");
        Assert.Equal(200, (int)ready.StatusCode);

        // What is removed goes, be it loaded or not.
        await server.DoAsync("model", "remove", "--endpoint", "wrong");
        await server.StatusAsync("/health/endpoints/wrong", 404);
        await Eventually.TrueAsync(
            () => !server.CliAsync("endpoint", "status").GetAwaiter().GetResult().Output.Contains("wrong", StringComparison.Ordinal),
            () => "the status of an endpoint that is removed stays");

        // What is mended comes; a change for the worse leaves what serves.
        await server.AddAsync("bad", "", good);
        Assert.Equal(200, (await server.ServeAsync("bad", Request)).Status);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "good", "--model-id", bad);
        await Eventually.TrueAsync(
            () => server.CliAsync("endpoint", "status", "--endpoint", "good").GetAwaiter().GetResult().Output.Contains("serves what it was", StringComparison.Ordinal),
            () => "the status does not tell that the change failed");
        Assert.Equal(200, (await server.ServeAsync("good", Request)).Status);
        await stop.CancelAsync();
        Assert.True(await load > 0);
    }

    [Fact]
    public async Task Change_UnderLoad_FailsNothing()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("e", "", model);
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => CallUntilAsync(server, "e", stop.Token)));
        for (var change = 1; change <= 4; change++)
        {
            await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", model, "--aux-config", $"max_batch_size={change}", "backend=\"onnxruntime\"");
            using var http = new HttpInference(server.Host.HttpAddress!);
            await Eventually.TrueAsync(
                () => http.GetAsync("/v2/models/e/config").GetAwaiter().GetResult().GetProperty("max_batch_size").GetInt32() == change, () => $"change {change}");
        }

        await stop.CancelAsync();
        Assert.All(await load, count => Assert.True(count > 0));
    }

    [Fact]
    public async Task TwoCommandLines_AtOnce_LoseNothing()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async writer =>
        {
            for (var i = 0; i < 5; i++)
                await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", $"w{writer}", "--version", $"{i}", "--model-id", model);
        }));
        Assert.Equal(20, (await server.JsonAsync("model", "list")).GetProperty("endpoints").EnumerateObject().Count());
        await server.DoAsync("endpoint", "status", "--wait", "60");
        for (var writer = 0; writer < 4; writer++)
            Assert.Equal(200, (await server.ServeAsync($"w{writer}/4", Request)).Status);
    }

    [Fact]
    public async Task AllServices_AreServed_TheOldestHasANameThatTwoWant()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync("first");
        var (first, model) = (server.ServiceId, await server.UploadAsync("add_sub_int32"));
        await server.AddAsync("same", "", model);
        await server.CreateServiceAsync("second");
        await server.AddAsync("other", "", model);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "same", "--model-id", model);
        await Eventually.TrueAsync(
            () => server.CliAsync("endpoint", "status").GetAwaiter().GetResult().Output.Contains($"failed: service '{first}' has an endpoint of that name", StringComparison.Ordinal),
            () => "the second service is not told");
        Assert.Equal(200, (await server.ServeAsync("same", Request)).Status);
        await server.DoAsync("model", "remove", "--endpoint", "same", "--id", first);
        await Eventually.TrueAsync(
            () => server.CliAsync("endpoint", "status").GetAwaiter().GetResult().Output.Split('\n').Count(line => line.EndsWith("  ready", StringComparison.Ordinal)) == 2,
            () => "the second service does not get the name");
        Assert.Equal(200, (await server.ServeAsync("same", Request)).Status);
    }

    [Fact]
    public async Task Remote_RunsModelsOfAnotherServer()
    {
        await using var other = await OwnServer.StartAsync(options => options, "add_sub_int32");
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        await server.DoAsync("config", "--triton-grpc-server", other.Host.GrpcAddress!.Authority, "--triton-grpc-compression", "true");
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "add_sub_int32");
        await server.ReadyAsync("add_sub_int32");
        var (status, body) = await server.ServeAsync("add_sub_int32", Request);
        Assert.True(status == 200, body.ToString());
        Assert.Equal("[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]]", body.GetProperty("OUTPUT0").GetRawText());
        using (var client = new Sluice.Client.SluiceClient(server.Host.GrpcAddress!))
            await OperatedServer.InferAsync(client);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "absent");
        await Eventually.TrueAsync(
            () => server.CliAsync("endpoint", "status").GetAwaiter().GetResult().Output.Contains("absent", StringComparison.Ordinal) &&
                server.ServeAsync("absent", "{}").GetAwaiter().GetResult().Status == 422,
            () => "the missing model is not told");
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "elsewhere", "--triton-grpc-server", "127.0.0.1:1");
        await Eventually.TrueAsync(() => server.ServeAsync("elsewhere", "{}").GetAwaiter().GetResult().Status == 422, () => "a server that is not there is not told");
        var (_, failure) = await server.ServeAsync("elsewhere", "{}");
        Assert.Contains("127.0.0.1:1", failure.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private static async Task<int> CallUntilAsync(ControlledServer server, string name, CancellationToken stop)
    {
        var count = 0;
        for (; !stop.IsCancellationRequested; count++)
        {
            var (status, body) = await server.ServeAsync(name, Request);
            Assert.True(status == 200, $"{status}: {body}");
        }

        return count;
    }
}
