using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Protocol.Health;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Reflection.V1;
using Sluice.Rpc.Health;
using Sluice.Rpc.Reflection;
using static Sluice.Protocol.Health.HealthCheckResponse.Types;

namespace Sluice.Rpc.Tests;

public sealed class StandardServicesTests
{
    private const string Watch = "/grpc.health.v1.Health/Watch";

    [Theory]
    [InlineData("", ServingStatus.Serving)]
    [InlineData("model/off", ServingStatus.NotServing)]
    public async Task HealthCheck_Answers(string service, ServingStatus expected)
    {
        using var fixture = new DispatcherFixture(null, [.. new HealthService(new FakeHealth()).Methods]);
        var exchange = await fixture.ServeAsync(
            "/grpc.health.v1.Health/Check", FakeExchange.Frame(new HealthCheckRequest { Service = service }.ToByteArray()));
        var (_, message) = Assert.Single(await exchange.ReadToEndAsync());
        Assert.Equal(expected, HealthCheckResponse.Parser.ParseFrom(message).Status);
    }

    [Fact]
    public async Task HealthWatch_TellsTheStateAndThenChangesOnly()
    {
        var health = new FakeHealth();
        using var fixture = new DispatcherFixture(null, [.. new HealthService(health).Methods]);
        var exchange = new FakeExchange(Watch);
        await exchange.WriteMessageAsync(new HealthCheckRequest { Service = "model/off" });
        exchange.EndRequest();
        var served = fixture.Serve(exchange);
        Assert.Equal(ServingStatus.NotServing, await Next());
        health.Set("model/other", true);
        health.Set("model/off", true);
        Assert.Equal(ServingStatus.Serving, await Next());
        health.Set("model/off", false);
        Assert.Equal(ServingStatus.NotServing, await Next());
        await exchange.AbortSource.CancelAsync();
        await served;
        Assert.Equal("1", exchange.GrpcStatus);
        Assert.Empty(await exchange.ReadToEndAsync());

        async Task<ServingStatus> Next() => HealthCheckResponse.Parser.ParseFrom(await exchange.NextMessageAsync()).Status;
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v1alpha")]
    public async Task Reflection_BothVersions_Answer(string version)
    {
        using var fixture = new DispatcherFixture(
            null, [.. new ReflectionService([GrpcServiceReflection.Descriptor, HealthReflection.Descriptor]).Methods]);
        var exchange = new FakeExchange($"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        var served = fixture.Serve(exchange);

        var services = await Ask(new ServerReflectionRequest { Host = "h", ListServices = "" });
        Assert.Equal("h", services.ValidHost);
        Assert.Equal(
            ["grpc.health.v1.Health", "inference.GRPCInferenceService"],
            services.ListServicesResponse.Service.Select(service => service.Name));

        foreach (var symbol in new[]
            { "inference.GRPCInferenceService", "inference.GRPCInferenceService.ModelInfer", "inference.ModelInferRequest.InferInputTensor" })
        {
            var files = await Ask(new ServerReflectionRequest { FileContainingSymbol = symbol });
            var names = files.FileDescriptorResponse.FileDescriptorProto
                .Select(file => FileDescriptorProto.Parser.ParseFrom(file).Name).ToArray();
            Assert.Equal(["inference/v2/grpc_service.proto", "inference/v2/model_config.proto"], names);
        }

        var byName = await Ask(new ServerReflectionRequest { FileByFilename = "health/v1/health.proto" });
        Assert.Single(byName.FileDescriptorResponse.FileDescriptorProto);
        var unknown = await Ask(new ServerReflectionRequest { FileContainingSymbol = "no.Such" });
        Assert.Equal(5, unknown.ErrorResponse.ErrorCode);
        var extensions = await Ask(new ServerReflectionRequest { AllExtensionNumbersOfType = "inference.ModelConfig" });
        Assert.Equal("inference.ModelConfig", extensions.AllExtensionNumbersResponse.BaseTypeName);

        exchange.EndRequest();
        await served;
        Assert.Equal("0", exchange.GrpcStatus);

        async Task<ServerReflectionResponse> Ask(ServerReflectionRequest request)
        {
            await exchange.WriteMessageAsync(request);
            var response = ServerReflectionResponse.Parser.ParseFrom(await exchange.NextMessageAsync());
            Assert.Equal(request, response.OriginalRequest);
            return response;
        }
    }

    private sealed class FakeHealth : IHealthSource
    {
        private readonly Dictionary<string, bool> _states = new() { ["model/off"] = false };
        private TaskCompletionSource _change = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _version;

        public long Version
        {
            get
            {
                lock (_states)
                    return _version;
            }
        }

        public bool IsServing(string service)
        {
            lock (_states)
                return _states.GetValueOrDefault(service, true);
        }

        public void Set(string service, bool isServing)
        {
            TaskCompletionSource change;
            lock (_states)
            {
                _states[service] = isServing;
                _version++;
                (change, _change) = (_change, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            }

            change.SetResult();
        }

        public Task WaitForChangeAsync(long seen, CancellationToken cancellationToken)
        {
            lock (_states)
                return _version != seen ? Task.CompletedTask : _change.Task.WaitAsync(cancellationToken);
        }
    }
}
