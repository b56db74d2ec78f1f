using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Sluice.Client;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Server.Access;

namespace Sluice.Functional.Tests.Control;

/// <summary>The control API over gRPC, and who may use it.</summary>
public sealed class ControlGrpcTests
{
    private const string Package = "/sluice.control.v1.";

    [Fact]
    public async Task Service_OverGrpc_IsTheOneOverHttp()
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Server.CreateClient();
        var service = await client.CallAsync(
            Package + "Services/CreateService", new CreateServiceRequest { Name = "s" }, Service.Parser);
        var edit = await client.CallAsync(
            Package + "Endpoints/PutEndpoint",
            new PutEndpointRequest
            {
                ServiceId = service.Id,
                Endpoint = new Endpoint { EngineType = "custom", ServingUrl = "a" },
                ExpectedRevision = 1,
            },
            EditResponse.Parser);
        Assert.Equal(2, edit.Revision);
        Assert.Equal("a", (string)(await server.CallAsync("GET", "/v1/services/-/endpoints/a"))["servingUrl"]!);
        var stale = await Assert.ThrowsAsync<SluiceException>(() => client.CallAsync(
            Package + "Endpoints/DeleteEndpoint", new DeleteEndpointRequest { ServiceId = "-", Key = "a", ExpectedRevision = 1 },
            EditResponse.Parser));
        Assert.Equal(InferenceCode.Aborted, stale.Code);
    }

    [Fact]
    public async Task Model_StreamedUpAndDown_IsTheSame()
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Server.CreateClient();
        var bytes = new byte[5_000_000];
        new Random(1).NextBytes(bytes);
        await using var upload = client.OpenStream<UploadModelRequest, Model>(Package + "ModelRegistry/UploadModel", Model.Parser);
        await upload.WriteAsync(new UploadModelRequest
        {
            Header = new RegisterModelRequest { Name = "m", Project = "p", FileName = "m.pt", Tags = { "t" } },
        });
        foreach (var piece in bytes.Chunk(1_000_000))
            await upload.WriteAsync(new UploadModelRequest { Data = ByteString.CopyFrom(piece) });
        upload.Complete();
        var model = (await upload.ReadAsync())!;
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), model.Sha256);
        Assert.Equal("pytorch", model.Framework);

        await using var download = client.OpenStream<DownloadModelRequest, Chunk>(Package + "ModelRegistry/DownloadModel", Chunk.Parser);
        await download.WriteAsync(new DownloadModelRequest { ModelId = model.Id });
        download.Complete();
        using var read = new MemoryStream();
        await foreach (var chunk in download.ReadAllAsync())
            chunk.Data.WriteTo(read);
        Assert.Equal(bytes, read.ToArray());
    }

    [Fact]
    public async Task Upload_ThatIsBrokenOff_LeavesNothing()
    {
        await using var server = await ControlServer.StartAsync();
        using var client = server.Server.CreateClient();
        await using (var upload = client.OpenStream<UploadModelRequest, Model>(Package + "ModelRegistry/UploadModel", Model.Parser))
        {
            await upload.WriteAsync(new UploadModelRequest
            {
                Header = new RegisterModelRequest { Name = "m", Project = "p", FileName = "m.pt" },
            });
            await upload.WriteAsync(new UploadModelRequest { Data = ByteString.CopyFrom(new byte[100_000]) });
        }

        var stored = Path.Combine(server.Server.Folder, "data", "artifacts");
        await Infrastructure.Eventually.TrueAsync(() => server.Server.Host.ActiveCount == 0, () => "the call has not ended");
        Assert.Empty(Directory.Exists(stored) ? Directory.GetFiles(stored, "*", SearchOption.AllDirectories) : []);
        var models = await client.CallAsync(Package + "ModelRegistry/ListModels", new ListModelsRequest(), ListModelsResponse.Parser);
        Assert.Empty(models.Models);
    }

    [Theory]
    [InlineData("", 401, InferenceCode.Unauthenticated)]
    [InlineData("Bearer wrong", 401, InferenceCode.Unauthenticated)]
    [InlineData("Bearer key-of-bob", 403, InferenceCode.PermissionDenied)]
    [InlineData("Bearer key-of-root", 200, InferenceCode.Ok)]
    public async Task Callers_NeedTheScopeControl(string authorization, int status, InferenceCode code)
    {
        await using var server = await ControlServer.StartAsync((options, folder) =>
        {
            File.WriteAllText(Path.Combine(folder, "keys"), $"bob:{Hash("key-of-bob")}:infer,metadata\nroot:{Hash("key-of-root")}:control\n");
            return options with { Auth = new AuthOptions { ApiKeysPath = Path.Combine(folder, "keys") } };
        });
        var (actual, body) = await server.SendAsync("POST", "/v1/services", "{}", authorization);
        Assert.Equal(status, actual);
        using var client = server.Server.CreateClient();
        var metadata = new RpcMetadata();
        if (authorization.Length > 0)
            metadata.Add("authorization", authorization);
        var calling = client.CallAsync(
            Package + "Services/ListAudit", new ListAuditRequest(), ListAuditResponse.Parser, new CallOptions { Metadata = metadata });
        if (code == InferenceCode.Ok)
        {
            Assert.Equal("root", Assert.Single((await calling).Entries).Actor);
            return;
        }

        Assert.Equal(code.ToName(), (string)body["status"]!);
        Assert.Equal(code, (await Assert.ThrowsAsync<SluiceException>(() => calling)).Code);
    }

    [Fact]
    public async Task WatchedStatus_ComesAtOnceAndAfterEachChange_OverGrpcAndHttp()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        using var client = new SluiceClient(server.Host.GrpcAddress!);
        await using var watch = client.OpenStream<ListEndpointStatusRequest, ListEndpointStatusResponse>(
            Package + "Endpoints/WatchEndpointStatus", ListEndpointStatusResponse.Parser);
        await watch.WriteAsync(new ListEndpointStatusRequest { ServiceId = server.ServiceId, Endpoint = "watched" });
        watch.Complete();
        Assert.Empty((await watch.ReadAsync())!.Statuses);
        using var lines = new StreamReader(await server.Http.GetStreamAsync($"/v1/services/{server.ServiceId}/status:watch?endpoint=watched"));
        Assert.DoesNotContain("watched", await lines.ReadLineAsync(), StringComparison.Ordinal);

        var model = await server.UploadAsync("add_sub_int32");
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "other", "--model-id", model);
        await server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "watched", "--model-id", model);
        var seen = await UntilAsync(watch, answer => answer.Statuses is [{ State: EndpointState.Ready }]);
        Assert.All(seen, answer => Assert.All(answer.Statuses, status => Assert.Equal("watched", status.Endpoint)));
        Assert.Equal(model, seen[^1].Statuses[0].ModelId);
        string? line;
        while ((line = await lines.ReadLineAsync())?.Contains("\"READY\"", StringComparison.Ordinal) == false)
            Assert.Contains("\"watched\"", line, StringComparison.Ordinal);
        Assert.NotNull(line);
        await server.DoAsync("model", "remove", "--endpoint", "watched");
        await UntilAsync(watch, answer => answer.Statuses.Count == 0);
    }

    private static async Task<List<ListEndpointStatusResponse>> UntilAsync(
        RpcStreamCall<ListEndpointStatusRequest, ListEndpointStatusResponse> watch, Func<ListEndpointStatusResponse, bool> isLast)
    {
        var seen = new List<ListEndpointStatusResponse>();
        do
            seen.Add((await watch.ReadAsync().AsTask().WaitAsync(Infrastructure.ServerFixture.Patience))!);
        while (!isLast(seen[^1]));
        return seen;
    }

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
