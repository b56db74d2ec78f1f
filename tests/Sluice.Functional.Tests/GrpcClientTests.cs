using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using static Sluice.Protocol.Health.HealthCheckResponse.Types;

namespace Sluice.Functional.Tests;

/// <summary>What <see cref="SluiceClient"/> promises, against the real server.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcClientTests(ServerFixture server) : IDisposable
{
    private readonly SluiceClient _client = new(server.GrpcAddress);

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Fact]
    public async Task SmallCalls_AnswerAsTheServerIs()
    {
        Assert.True(await _client.IsServerLiveAsync());
        Assert.True(await _client.IsModelReadyAsync("add_sub_int32"));
        Assert.False(await _client.IsModelReadyAsync("nobody"));
        Assert.Equal("triton", (await _client.GetServerMetadataAsync()).Name);
        var metadata = await _client.GetModelMetadataAsync("add_sub_int32");
        Assert.Equal([-1L, 16L], metadata.Inputs[0].Shape);
        Assert.Equal(8, (await _client.GetModelConfigAsync("add_sub_int32")).MaxBatchSize);
        Assert.Contains(await _client.GetRepositoryIndexAsync(readyOnly: true), model => model.Name == "wide");
        Assert.Equal(ServingStatus.Serving, await _client.CheckHealthAsync("model/wide"));
    }

    [Fact]
    public async Task Statistics_CountARequest()
    {
        var before = (await _client.GetModelStatisticsAsync("identity_int8"))[0].InferenceStats.Success.Count;
        using var result = await _client.InferAsync(new InferRequestMessage
        {
            ModelName = "identity_int8",
            Inputs = [InferInput.Create<sbyte>("INPUT0", [1, -2, 3, -4], 1, 4)],
        });
        Assert.Equal([1, -2, 3, -4], result.GetSpan<sbyte>("OUTPUT0").ToArray());
        Assert.Equal(before + 1, (await _client.GetModelStatisticsAsync("identity_int8"))[0].InferenceStats.Success.Count);
    }

    [Fact]
    public async Task LoadModel_OutsideExplicitMode_IsUnavailableAndNotRetried()
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(
            () => _client.LoadModelAsync("wide", new CallOptions { Retry = RetryPolicy.None }));
        Assert.Equal(InferenceCode.Unavailable, failure.Code);
    }

    [Fact]
    public async Task WatchHealth_GivesTheStateNow()
    {
        using var stop = new CancellationTokenSource(ServerFixture.Patience);
        await foreach (var status in _client.WatchHealthAsync("model/wide", cancellationToken: stop.Token))
        {
            Assert.Equal(ServingStatus.Serving, status);
            break;
        }
    }

    [Fact]
    public async Task Infer_64MiB_ComesBackUnchanged()
    {
        var data = new float[16 * 1024 * 1024];
        for (var i = 0; i < data.Length; i++)
            data[i] = i;
        using var result = await _client.InferAsync(Wide(data));
        Assert.True(result.GetSpan<float>("OUTPUT0").SequenceEqual(data));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(100_000)]
    public async Task Infer_WithGzip_ComesBackUnchanged(int count)
    {
        var data = Enumerable.Range(0, count).Select(i => (float)i).ToArray();
        using var result = await _client.InferAsync(Wide(data), new CallOptions { CompressesRequest = true });
        Assert.True(result.GetSpan<float>("OUTPUT0").SequenceEqual(data));
        await using var stream = _client.OpenInferStream(new CallOptions { CompressesRequest = true });
        await stream.WriteAsync(Wide(data));
        stream.Complete();
        using var streamed = await stream.ReadAsync();
        Assert.True(streamed!.GetSpan<float>("OUTPUT0").SequenceEqual(data));
    }

    [Fact]
    public async Task Infer_Strings_ComeBackUnchanged()
    {
        string[] texts = ["", "größer", "模型", "a\0b"];
        using var result = await _client.InferAsync(new InferRequestMessage
        {
            ModelName = "string_identity",
            Inputs = [InferInput.CreateStrings("INPUT0", texts, 1, 4)],
        });
        Assert.Equal(texts, result.GetStrings("OUTPUT0"));
        Assert.Throws<InvalidOperationException>(() => _ = result.GetSpan<float>("OUTPUT0"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Timeout_OfARunningModel_IsDeadlineExceededAndFreesIt(bool isOnStream)
    {
        var options = new CallOptions { Timeout = TimeSpan.FromMilliseconds(200) };
        SluiceException failure;
        if (isOnStream)
        {
            await using var stream = _client.OpenInferStream(options);
            failure = await Assert.ThrowsAsync<SluiceException>(async () =>
            {
                await stream.WriteAsync(Slow(TestModels.EndlessSteps));
                await stream.ReadAsync();
            });
        }
        else
        {
            failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(Slow(TestModels.EndlessSteps), options));
        }

        Assert.Equal(InferenceCode.DeadlineExceeded, failure.Code);
        await ExpectSlowIsFreeAsync();
    }

    [Fact]
    public async Task Cancel_OfARunningModel_ThrowsAndFreesIt()
    {
        using var stop = new CancellationTokenSource();
        var running = _client.InferAsync(Slow(TestModels.EndlessSteps), cancellationToken: stop.Token);
        var other = await _client.IsServerLiveAsync();
        Assert.True(other);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await ExpectSlowIsFreeAsync();
    }

    [Fact]
    public async Task Streams_AThousandAtOnce_AllAnswer()
    {
        var streams = Enumerable.Range(0, 1000).Select(async number =>
        {
            await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
            for (var i = 0; i < 3; i++)
            {
                await stream.WriteAsync(Wide([number, i]));
                using var result = await stream.ReadAsync();
                Assert.Equal([(float)number, i], result!.GetSpan<float>("OUTPUT0").ToArray());
            }

            stream.Complete();
            Assert.Null(await stream.ReadAsync());
        });
        await Task.WhenAll(streams);
    }

    [Fact]
    public async Task Call_WithoutAServer_IsUnavailableAndSafeToRetry()
    {
        using var client = new SluiceClient(new Uri("http://127.0.0.1:1"), new SluiceClientOptions { Retry = RetryPolicy.None });
        var failure = await Assert.ThrowsAsync<SluiceException>(() => client.IsServerLiveAsync());
        Assert.Equal(InferenceCode.Unavailable, failure.Code);
        Assert.True(failure.WasNotProcessed);
        await using var stream = client.OpenInferStream();
        failure = await Assert.ThrowsAsync<SluiceException>(() => stream.WriteAsync(Wide([1])).AsTask());
        Assert.Equal(InferenceCode.Unavailable, failure.Code);
    }

    [Fact]
    public void RetryPolicy_TriesAgainOnlyWhatCannotHaveRun()
    {
        var policy = new RetryPolicy();
        var safe = new SluiceException(InferenceCode.Unavailable, "") { WasNotProcessed = true };
        var unsafeOne = new SluiceException(InferenceCode.Unavailable, "");
        var other = new SluiceException(InferenceCode.ResourceExhausted, "") { WasNotProcessed = true };
        Assert.True(policy.ShouldRetry(safe, 2));
        Assert.False(policy.ShouldRetry(safe, 3));
        Assert.False(policy.ShouldRetry(unsafeOne, 1));
        Assert.True((policy with { RetriesBrokenConnections = true }).ShouldRetry(unsafeOne, 1));
        Assert.False(policy.ShouldRetry(other, 1));
        Assert.Equal(TimeSpan.FromMilliseconds(10), policy.BackoffAfter(safe, 1, 0));
        Assert.Equal(TimeSpan.FromMilliseconds(40), policy.BackoffAfter(safe, 2, 1));
        Assert.Equal(policy.MaxBackoff, policy.BackoffAfter(safe, 30, 1));
    }

    [Theory]
    [InlineData(750, true)]
    [InlineData(0, true)]
    [InlineData(-1, false)]
    public void RetryPolicy_ObeysTheServersPushback(int milliseconds, bool tries)
    {
        var policy = new RetryPolicy();
        var refused = new SluiceException(InferenceCode.Unavailable, "") { WasNotProcessed = true, PushbackMilliseconds = milliseconds };
        Assert.Equal(tries, policy.ShouldRetry(refused, 1));
        if (tries)
            Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), policy.BackoffAfter(refused, 2, 0.3));
    }

    [Fact]
    public async Task UnimplementedMethods_SaySo()
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.CallAsync(
            "/inference.GRPCInferenceService/NoSuchMethod", new TraceSettingRequest(), TraceSettingResponse.Parser));
        Assert.Equal(InferenceCode.Unimplemented, failure.Code);
    }

    private static InferRequestMessage Wide(float[] data) =>
        new() { ModelName = "wide", Inputs = [InferInput.Wrap<float>("INPUT0", data, data.Length)] };

    private static InferRequestMessage Slow(long steps) =>
        new() { ModelName = "slow", Inputs = [InferInput.Create<long>("STEPS", [steps])] };

    /// <summary>As many requests as a model can have instances get through, so none is still busy.</summary>
    private async Task ExpectSlowIsFreeAsync()
    {
        var options = new CallOptions { Timeout = ServerFixture.Patience };
        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => _client.InferAsync(Slow(3), options)));
        foreach (var result in results)
        {
            Assert.Equal([3L], result.GetSpan<long>("DONE").ToArray());
            result.Dispose();
        }
    }
}
