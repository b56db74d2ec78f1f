using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Kestrel;
using Sluice.Server.Services;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests;

/// <summary>Headers that match a pattern become parameters of the request (spec §1.4).</summary>
public sealed class HeaderForwardingTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly HeaderForwarding Forwarding = new("^(my_|x-|sequence|triton_x|(?-i)Case)");

    private OwnServer _server = null!;
    private RecordingEngine _engine = null!;
    private KestrelRpcServer _rpc = null!;
    private RestServer _rest = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(
            options => options with { GrpcForwardedHeaders = Forwarding, HttpForwardedHeaders = Forwarding }, "wide");
        _engine = new RecordingEngine(_server.Host.Engine);

        // The same front ends once more, before an engine that shows what requests carry at their end.
        var dispatcher = new RpcDispatcher(
            new MethodTable(new InferenceService(_engine).Methods), new RpcOptions { ForwardedHeaders = Forwarding }, _server.Host.Pool,
            NullLogger<RpcDispatcher>.Instance);
        _rpc = new KestrelRpcServer(
            new RpcListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0) }, dispatcher, NullLoggerFactory.Instance);
        _rest = new RestServer(
            new RestListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), ForwardedHeaders = Forwarding },
            new RestRouter(V2Routes.Create(_server.Host.Methods, _engine)), _server.Host.Pool, NullLoggerFactory.Instance);
        await _rpc.StartAsync(CancellationToken.None);
        await _rest.StartAsync(CancellationToken.None);
    }

    // xunit 2 knows only this one.
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _rpc.StopAsync(CancellationToken.None);
        await _rest.StopAsync(CancellationToken.None);
        await _rpc.DisposeAsync();
        await _rest.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Grpc_MatchingHeaders_BecomeParametersOverThoseOfTheSameName()
    {
        using var client = new SluiceClient(_rpc.Addresses[0]);
        var request = Wide();
        request.Parameters["x-one"] = new InferParameter { Int64Param = 5 };
        request.Parameters["kept"] = new InferParameter { BoolParam = true };
        var options = new CallOptions { Metadata = new RpcMetadata { { "x-one", "1" }, { "my_two", "zwei" }, { "other", "no" } } };
        await client.CallAsync(OwnServer.Service + "ModelInfer", request, ModelInferResponse.Parser, options);
        Assert.Equal(["kept=", "my_two=zwei", "x-one=1"], _engine.Parameters);
    }

    [Fact]
    public async Task Grpc_Stream_ForwardsToEachRequest()
    {
        using var client = new SluiceClient(_rpc.Addresses[0]);
        await using var stream = client.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
            OwnServer.Service + "ModelStreamInfer", ModelStreamInferResponse.Parser,
            new CallOptions { Metadata = new RpcMetadata { { "x-one", "1" } } });
        for (var i = 0; i < 2; i++)
        {
            await stream.WriteAsync(Wide());
            Assert.Empty((await stream.ReadAsync())!.ErrorMessage);
            Assert.Equal(["x-one=1"], _engine.Parameters);
        }

        stream.Complete();
    }

    [Fact]
    public async Task Http_MatchingHeaders_BecomeParameters()
    {
        using var client = new HttpClient { BaseAddress = _rest.Addresses[0] };
        using var request = Post();
        request.Headers.Add("X-One", ["1", "2"]);
        request.Headers.Add("case", "no");
        request.Headers.Add("Case-Two", "yes");
        using var response = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(["Case-Two=yes", "X-One=1, 2"], _engine.Parameters);
    }

    [Theory]
    [InlineData("sequence_id")]
    [InlineData("triton_x")]
    public async Task ReservedName_OverBothProtocols_IsRefused(string name)
    {
        var message = $"Header '{name}' is reserved for Triton usage and cannot be forwarded.";
        var options = new CallOptions { Metadata = new RpcMetadata { { name, "1" } } };
        var failure = await FailsAsync(_server.CallAsync<ModelInferResponse>("ModelInfer", Wide(), options), InferenceCode.InvalidArgument);
        Assert.Equal(message, failure.Message);
        using var request = Post();
        request.Headers.Add(name, "1");
        using var response = await _server.Http.SendAsync(request);
        Assert.Equal((HttpStatusCode.BadRequest, $"{{\"error\":\"{message}\"}}"), (response.StatusCode, await response.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task ReservedName_OutsideInference_IsNobodysBusiness()
    {
        var options = new CallOptions { Metadata = new RpcMetadata { { "sequence_id", "1" } } };
        Assert.True(await _server.Grpc.IsServerLiveAsync(options));
    }

    private static HttpRequestMessage Post() => new(HttpMethod.Post, "/v2/models/wide/infer")
    {
        Content = new StringContent("""{"inputs":[{"name":"INPUT0","shape":[1],"datatype":"FP32","data":[1]}]}"""),
    };

    private static ModelInferRequest Wide()
    {
        var request = new ModelInferRequest { ModelName = "wide", RawInputContents = { Raw(1) } };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = "INPUT0", Datatype = "FP32", Shape = { 1 } });
        return request;
    }

    /// <summary>Notes the parameters that a model would have seen.</summary>
    private sealed class RecordingEngine(IInferenceEngine inner) : IInferenceEngine
    {
        public List<string> Parameters { get; private set; } = [];

        public async ValueTask InferAsync(InferRequest request)
        {
            await inner.InferAsync(request);
            var seen = new List<string>();
            foreach (var parameter in request.Parameters)
                seen.Add($"{request.TextString(parameter.Key)}={request.TextString(parameter.Text)}");
            seen.Sort(StringComparer.Ordinal);
            Parameters = seen;
        }
    }
}
