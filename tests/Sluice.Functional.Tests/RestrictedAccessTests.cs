using System.Net;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Server;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests;

/// <summary>Groups of methods and routes that need a header (spec §5.3).</summary>
public sealed class RestrictedAccessTests : IAsyncLifetime
{
    private const string GrpcText = "This protocol is restricted, expecting header 'triton-grpc-protocol-infer-key'";

    private static readonly CallOptions Admitted = new() { Metadata = new RpcMetadata { { "triton-grpc-protocol-infer-key", "open=sesame" } } };

    private OwnServer _server = null!;

    public async Task InitializeAsync() => _server = await OwnServer.StartAsync(Restrict, "wide");

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Grpc_WithoutOrWithAWrongHeader_IsUnavailable()
    {
        var wrong = new CallOptions { Metadata = new RpcMetadata { { "triton-grpc-protocol-infer-key", "open=sesam" } } };
        foreach (var options in new[] { null, wrong })
        {
            var failure = await FailsAsync(_server.CallAsync<ModelInferResponse>("ModelInfer", Wide(), options), InferenceCode.Unavailable);
            Assert.Equal(GrpcText, failure.Message);
            await FailsAsync(_server.CallAsync<RepositoryIndexResponse>("RepositoryIndex", new RepositoryIndexRequest(), options), InferenceCode.Unavailable);
        }
    }

    [Fact]
    public async Task Grpc_WithTheHeader_IsServed()
    {
        Assert.Single((await _server.CallAsync<ModelInferResponse>("ModelInfer", Wide(), Admitted)).Outputs);
        await _server.CallAsync<RepositoryIndexResponse>("RepositoryIndex", new RepositoryIndexRequest(), Admitted);
    }

    [Fact]
    public async Task Grpc_OtherGroups_NeedNoHeader()
    {
        Assert.True(await _server.Grpc.IsServerLiveAsync());
        await _server.Grpc.GetModelMetadataAsync("wide");
        await _server.Grpc.CheckHealthAsync();
    }

    [Fact]
    public async Task Stream_WithoutTheHeader_EndsAtOnce()
    {
        await using var stream = _server.Grpc.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
            OwnServer.Service + "ModelStreamInfer", ModelStreamInferResponse.Parser);
        var failure = await FailsAsync(stream.ReadAsync().AsTask(), InferenceCode.Unavailable);
        Assert.Equal(GrpcText, failure.Message);
    }

    [Theory]
    [InlineData("GET", "/v2/health/live")]
    [InlineData("GET", "/v2/models/wide/ready")]
    [InlineData("GET", "/v2/models/wide/versions/1/ready")]
    [InlineData("GET", "/v2/models/wide/config")]
    [InlineData("POST", "/v2/repository/index")]
    [InlineData("POST", "/v2/repository/models/wide/load")]
    [InlineData("GET", "/v2/systemsharedmemory/status")]
    [InlineData("POST", "/v2/cudasharedmemory/region/x/register")]
    public async Task Http_RestrictedRoute_IsForbiddenWithoutTheHeaderOnly(string method, string path)
    {
        foreach (var value in new[] { null, "wrong", "s" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (value is not null)
                request.Headers.Add("X-Key", value);
            using var response = await _server.Http.SendAsync(request);
            if (value == "s")
            {
                Assert.NotEqual(HttpStatusCode.Forbidden, response.StatusCode);
                continue;
            }

            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
            Assert.Equal("{\"error\":\"This API is restricted, expecting header 'x-key'\"}", await response.Content.ReadAsStringAsync());
        }
    }

    [Theory]
    [InlineData("/v2")]
    [InlineData("/v2/models/wide")]
    [InlineData("/v2/models/stats")]
    [InlineData("/v2/models/wide/stats")]
    public async Task Http_OtherRoutes_NeedNoHeader(string path) => Assert.Equal(200, (await _server.GetAsync(path)).Status);

    private static ServerOptions Restrict(ServerOptions options)
    {
        var errors = new List<string>();
        var given = OptionSources.Read(
            [
                ("model-repository", "x"),
                ("grpc-restricted-protocol", "inference,model-repository:infer-key=open=sesame"),
                ("http-restricted-api", "health:x-key=s"),
                ("http-restricted-api", "model-config,model-repository,shared-memory:x-key=s"),
            ],
            _ => null, null, errors);
        Assert.Empty(errors);
        return options with { GrpcRestricted = given.GrpcRestricted, HttpRestricted = given.HttpRestricted };
    }

    private static ModelInferRequest Wide()
    {
        var request = new ModelInferRequest { ModelName = "wide", RawInputContents = { Raw(1) } };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = "INPUT0", Datatype = "FP32", Shape = { 1 } });
        return request;
    }
}
