using System.Net;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.V2;
using Sluice.Server;

namespace Sluice.Functional.Tests;

/// <summary>No method and no route of the protocol is left out of the groups that can be restricted.</summary>
public sealed class ApiGroupTests
{
    private static readonly string[] Groups =
    [
        "health", "metadata", "inference", "shared-memory", "model-config", "model-repository", "statistics", "trace", "logging",
    ];

    [Fact]
    public async Task AllGroupsRestricted_EveryMethodAndRoute_NeedsItsHeader()
    {
        RestrictedGroup[] all = [.. Groups.Select(group => new RestrictedGroup(group, group, "secret"))];
        await using var server = await OwnServer.StartAsync(
            options => options with { GrpcRestricted = [.. all], HttpRestricted = [.. all] }, "wide");
        var service = GrpcServiceReflection.Descriptor.Services[0];
        foreach (var method in service.Methods)
        {
            var call = server.Grpc.CallAsync(
                OwnServer.Service + method.Name, new ServerLiveRequest(), ServerLiveResponse.Parser.WithDiscardUnknownFields(true));
            var failure = await Assert.ThrowsAsync<SluiceException>(() => call);
            Assert.True(failure.Code == InferenceCode.Unavailable, $"{method.Name}: {failure.Code} {failure.Message}");
            Assert.StartsWith("This protocol is restricted, expecting header 'triton-grpc-protocol-", failure.Message, StringComparison.Ordinal);
        }

        var health = await Assert.ThrowsAsync<SluiceException>(() => server.Grpc.CheckHealthAsync());
        Assert.EndsWith("'triton-grpc-protocol-health'", health.Message, StringComparison.Ordinal);
        foreach (var route in V2Routes.Create(server.Host.Methods, server.Host.Engine))
        {
            var path = route.Pattern.Replace("{version}", "1", StringComparison.Ordinal)
                .Replace("{model}", "wide", StringComparison.Ordinal).Replace("{repository}", "r", StringComparison.Ordinal)
                .Replace("{region}", "r", StringComparison.Ordinal);
            using var request = new HttpRequestMessage(new HttpMethod(route.Method), path);
            using var response = await server.Http.SendAsync(request);
            Assert.True(response.StatusCode == HttpStatusCode.Forbidden, $"{route.Method} {route.Pattern}: {response.StatusCode}");
        }
    }
}
