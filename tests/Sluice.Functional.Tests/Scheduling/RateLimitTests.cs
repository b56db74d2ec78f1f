using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Scheduling.RateLimit;
using static Sluice.Functional.Tests.Infrastructure.WrittenModels;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Executions share resources across models (spec §3.5, <c>--rate-limit=execution_count</c>).</summary>
public sealed class RateLimitTests
{
    private static string Limited(string resources, int count = 1, int delay = 15, int priority = 1) => Identity(
        "TYPE_INT32", "1",
        $"instance_group {{ count: {count} kind: KIND_CPU rate_limiter {{ {resources} priority: {priority} }} }} " +
        $"parameters {{ key: \"execute_delay_ms\" value {{ string_value: \"{delay}\" }} }}");

    [Fact]
    public async Task Resource_OfTwoModels_LetsOneRunAtATime()
    {
        await using var server = await StartAsync();
        Write(server.Repository, "left", Limited("resources { name: \"R\" global: true count: 1 }", count: 2));
        Write(server.Repository, "right", Limited("resources { name: \"R\" global: true count: 1 }", count: 2));
        Write(server.Repository, "free", Limited("", count: 4));
        foreach (var model in new[] { "left", "right", "free" })
            await server.Grpc.LoadModelAsync(model);
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => InferAsync(server, i % 2 == 0 ? "left" : "right")));
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(12 * 15));

        // Waiting for resources is waiting, not computing.
        var stats = Assert.Single(await server.Grpc.GetModelStatisticsAsync("left")).InferenceStats;
        Assert.True(stats.Queue.Ns > stats.ComputeInfer.Ns, $"{stats}");
    }

    [Fact]
    public async Task Priority_Two_RunsHalfAsOften()
    {
        using var stop = new CancellationTokenSource();
        await using var server = await StartAsync();
        Write(server.Repository, "often", Limited("resources { name: \"R\" count: 3 }", delay: 3));
        Write(server.Repository, "seldom", Limited("resources { name: \"R\" count: 3 }", delay: 3, priority: 2));
        await server.Grpc.LoadModelAsync("often");
        await server.Grpc.LoadModelAsync("seldom");

        // Both have more to do than they come to. While one is asked for, the other runs on, so it is asked for before and after.
        var waiting = Enumerable.Range(0, 1200).Select(i => InferAsync(server, i % 3 > 0 ? "often" : "seldom", stop.Token)).ToArray();
        double before, often, after;
        do
            (before, often, after) = (await CountAsync("seldom"), await CountAsync("often"), await CountAsync("seldom"));
        while (often < 100);
        Assert.True(before <= (0.6 * often) + 5 && after >= (0.4 * often) - 5, $"{before} to {after} of the one, {often} of the other");
        await stop.CancelAsync();
        await Task.WhenAll(waiting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        Assert.DoesNotContain(waiting, call => call.IsFaulted);

        async Task<double> CountAsync(string model) => Assert.Single(await server.Grpc.GetModelStatisticsAsync(model)).ExecutionCount;
    }

    [Fact]
    public async Task MoreThanThereIs_FailsTheLoad()
    {
        await using var server = await StartAsync(new RateLimitResource("R", 2, null), new RateLimitResource("D", 5, 0));
        Write(server.Repository, "greedy", Limited("resources { name: \"R\" global: true count: 3 }"));
        Assert.Contains(
            "an instance of model 'greedy' needs 3 of rate limiter resource 'R' for a run, and there are only 2", await FailureAsync(server, "greedy"), StringComparison.Ordinal);
        Write(server.Repository, "device", Limited("resources { name: \"D\" count: 6 }"));
        Assert.Contains("needs 6 of rate limiter resource 'D' for a run, and there are only 5", await FailureAsync(server, "device"), StringComparison.Ordinal);
        Write(server.Repository, "modest", Limited("resources { name: \"D\" count: 5 } resources { name: \"R\" global: true count: 2 }"));
        await server.Grpc.LoadModelAsync("modest");
        await InferAsync(server, "modest");
        Write(server.Repository, "both", Limited("resources { name: \"R\" count: 1 }"));
        Assert.Contains("'R' as one of its device, other instances take it as global", await FailureAsync(server, "both"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Off_NothingIsCounted()
    {
        await using var server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, "square_int32");
        Write(server.Repository, "many", Limited("resources { name: \"R\" global: true count: 1 }", count: 8, delay: 1000));
        await server.Grpc.LoadModelAsync("many");
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => InferAsync(server, "many")));
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < TimeSpan.FromMilliseconds(8 * 1000));
    }

    [Fact]
    public async Task CancelledAndUnloaded_LeaveNothingTaken()
    {
        await using var server = await StartAsync();
        Write(server.Repository, "holder", Limited("resources { name: \"R\" global: true count: 1 }", delay: 300));
        Write(server.Repository, "waiter", Limited("resources { name: \"R\" global: true count: 1 }", delay: 1));
        await server.Grpc.LoadModelAsync("holder");
        await server.Grpc.LoadModelAsync("waiter");
        var held = Task.CompletedTask;
        for (var hasWaited = false; !hasWaited;)
        {
            // Which of two calls comes first is for the sockets to say; when the waiter does, they are sent again.
            await held;
            held = InferAsync(server, "holder");
            using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            try
            {
                await InferAsync(server, "waiter", cancellation.Token);
            }
            catch (OperationCanceledException)
            {
                hasWaited = true;
            }
        }

        await server.Grpc.UnloadModelAsync("waiter");
        await held;
        await server.Grpc.LoadModelAsync("waiter");
        await InferAsync(server, "waiter");
        await InferAsync(server, "holder");
    }

    private static Task<OwnServer> StartAsync(params RateLimitResource[] resources) => OwnServer.StartAsync(
        options => options with { ModelControlMode = ModelControlMode.Explicit, RateLimit = new RateLimitOptions { IsOn = true, Resources = [.. resources] } }, "square_int32");

    private static async Task InferAsync(OwnServer server, string model, CancellationToken cancellationToken = default) =>
        (await server.Grpc.InferAsync(
            new InferRequestMessage { ModelName = model, Inputs = [InferInput.Create<int>("INPUT0", [1], 1)] }, cancellationToken: cancellationToken)).Dispose();

    private static async Task<string> FailureAsync(OwnServer server, string model)
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => server.Grpc.LoadModelAsync(model));
        server.ExpectErrors();
        Assert.Equal(InferenceCode.InvalidArgument, failure.Code);
        return failure.Message;
    }
}
