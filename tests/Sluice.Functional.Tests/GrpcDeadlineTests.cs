using System.Globalization;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests;

/// <summary>The server's own view of <c>grpc-timeout</c>, from callers that do not watch the clock themselves.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcDeadlineTests(ServerFixture server) : IDisposable
{
    private const string DeadlineExceeded = "4";

    private readonly RawCaller _raw = new(server.GrpcAddress);

    public void Dispose()
    {
        _raw.Dispose();
        server.ExpectNoErrors();
    }

    [Fact]
    public async Task Timeout_WhileTheModelRuns_IsAlwaysDeadlineExceeded()
    {
        // A model that has always been quick would run where nobody watches its deadline.
        await CallAsync(100_000, null);
        for (var microseconds = 5_000; microseconds < 60_000; microseconds += 2_730)
        {
            var timeout = microseconds.ToString(CultureInfo.InvariantCulture) + "u";
            Assert.Equal(DeadlineExceeded, await CallAsync(TestModels.EndlessSteps, timeout));
        }
    }

    [Theory]
    [InlineData("0n")]
    [InlineData("1n")]
    public async Task Timeout_ThatHasPassed_RunsNothing(string timeout) =>
        Assert.Equal(DeadlineExceeded, await CallAsync(TestModels.EndlessSteps, timeout));

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("-5S")]
    [InlineData("123456789S")]
    [InlineData("5s")]
    public async Task Timeout_ThatIsNone_IsRefused(string timeout) =>
        Assert.Equal("13", await CallAsync(TestModels.EndlessSteps, timeout));

    private async Task<string?> CallAsync(long steps, string? timeout)
    {
        var request = new InferRequestMessage { ModelName = "slow", Inputs = [InferInput.Create<long>("STEPS", [steps])] };
        var answer = await _raw.SendAsync(
            RawCaller.InferPath, new ByteArrayContent(RawCaller.Frame(RawCaller.Message(request))), timeout: timeout)
            .WaitAsync(ServerFixture.Patience);
        return answer.GrpcStatus;
    }
}
