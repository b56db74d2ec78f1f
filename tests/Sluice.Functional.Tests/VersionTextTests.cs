using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;

namespace Sluice.Functional.Tests;

/// <summary>Versions as clients write them (spec §1.3).</summary>
[Collection(ServerGroup.Name)]
public sealed class VersionTextTests(ServerFixture server) : IDisposable
{
    private readonly SluiceClient _client = new(server.GrpcAddress);

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Fact]
    public async Task LeadingZero_IsTheSameNumber()
    {
        Assert.True(await _client.IsModelReadyAsync("wide", "01"));
        Assert.Equal(["1"], (await _client.GetModelMetadataAsync("wide", "01")).Versions);
        Assert.Equal("1", Assert.Single(await _client.GetModelStatisticsAsync("wide", "01")).Version);
    }

    [Theory]
    [InlineData("x", "failed to get model version from specified version string 'x' (details: ")]
    [InlineData("1.0", "failed to get model version from specified version string '1.0' (details: ")]
    [InlineData("99999999999999999999", "failed to get model version from specified version string '99999999999999999999' (details: ")]
    [InlineData("-1", "invalid model version specified '-1'")]
    public async Task NoNumber_IsRefusedByEveryMethod(string version, string start)
    {
        foreach (var call in new Func<Task>[]
        {
            () => _client.IsModelReadyAsync("wide", version),
            () => _client.GetModelMetadataAsync("wide", version),
            () => _client.GetModelConfigAsync("wide", version),
            () => _client.GetModelStatisticsAsync("wide", version),
            () => _client.InferAsync(new Protocol.Codec.InferRequestMessage { ModelName = "wide", ModelVersion = version, Inputs = [] }),
        })
        {
            var failure = await Assert.ThrowsAsync<SluiceException>(call);
            Assert.Equal(InferenceCode.InvalidArgument, failure.Code);
            Assert.StartsWith(start, failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AbsentVersion_IsNotFoundOrInvalidAsClientsKnowIt()
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.GetModelMetadataAsync("wide", "7"));
        Assert.Equal((InferenceCode.NotFound, "Request for unknown model: 'wide' version 7 is not found"), (failure.Code, failure.Message));
        failure = await Assert.ThrowsAsync<SluiceException>(() => _client.GetModelStatisticsAsync("wide", "7"));
        Assert.Equal(
            (InferenceCode.InvalidArgument, "requested model version is not available for model 'wide'"), (failure.Code, failure.Message));
    }
}
