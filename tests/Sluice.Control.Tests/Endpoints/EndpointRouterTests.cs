using System.Text;
using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Tests.Endpoints;

public sealed class EndpointRouterTests
{
    private static readonly EndpointCall Call = new(EndpointBody.Empty, default, false, CancellationToken.None);

    private readonly EndpointTable _table = new();
    private readonly EndpointRouter _router;

    public EndpointRouterTests() => _router = new EndpointRouter(_table);

    [Fact]
    public async Task Names_AreResolved_AsTheyAreWritten()
    {
        Load("m");
        Load("v/1");
        Load("v/2");
        Load("l/9", servesLatest: true);
        Load("l/10", servesLatest: true);
        Assert.Equal("m", await AskAsync("m"));
        Assert.Equal("m", await AskAsync("/m/", ""));
        Assert.Equal("v/1", await AskAsync("v", "1"));
        Assert.Equal("v/2", await AskAsync("v/2"));
        Assert.Equal("l/10", await AskAsync("l"));
        Assert.Equal(EndpointOutcome.NotFound, (await _router.CallAsync("v", null, Call)).Outcome);
        var missing = await _router.CallAsync("v", "3", Call);
        Assert.Equal(EndpointOutcome.NotFound, missing.Outcome);
        Assert.Contains("'v/3'", missing.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task States_ThatCannotServe_SayWhy()
    {
        _table.Set(new EndpointState("f", EndpointPhase.Failed, "no such file", null, false));
        _table.Set(new EndpointState("d", EndpointPhase.Downloading, "", null, false));
        var failed = await _router.CallAsync("f", null, Call);
        Assert.Equal((EndpointOutcome.BadRequest, true), (failed.Outcome, failed.Detail!.Contains("no such file", StringComparison.Ordinal)));
        var coming = await _router.CallAsync("d", null, Call);
        Assert.Equal((EndpointOutcome.Unavailable, true), (coming.Outcome, coming.Detail!.Contains("downloading", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Canary_ShadowsAnEndpoint_CountsItsArms_AndFollowsChanges()
    {
        Load("c");
        Load("m/1");
        Load("m/2");
        _table.SetCanaries([("", new CanarySpec { Endpoint = "c", Weights = [0.25, 0.75], LoadEndpointPrefix = "m/" })]);
        var seen = await AskManyAsync("c", 2000);
        Assert.InRange(seen.GetValueOrDefault("m/2"), 400, 600);
        Assert.Equal(2000, seen["m/1"] + seen["m/2"]);
        Assert.Equal(seen["m/1"], _table.ArmCounters.Single(arm => arm.Endpoint == "m/1").Count);

        Load("m/3");
        Assert.Equal(["m/2", "m/3"], (await AskManyAsync("c", 200)).Keys.Order());
        _table.Remove("m/2");
        _table.Remove("m/3");
        Assert.Equal(["m/1"], (await AskManyAsync("c", 50)).Keys);
        _table.Remove("m/1");
        Assert.Equal(EndpointOutcome.NotFound, (await _router.CallAsync("c", null, Call)).Outcome);
        _table.SetCanaries([]);
        Assert.Equal("c", await AskAsync("c"));
        Assert.Empty(_table.ArmCounters);
    }

    [Fact]
    public async Task Canary_WithAStickyKey_SendsACallerToOneArm()
    {
        Load("m/1");
        Load("m/2");
        _table.SetCanaries([("", new CanarySpec { Endpoint = "c", Weights = [0.5, 0.5], LoadEndpoints = ["m/1", "m/2"], StickyKey = "user" })]);
        var arms = new HashSet<string>();
        for (var user = 0; user < 40; user++)
        {
            var body = Encoding.UTF8.GetBytes($"{{\"x\": [1, {{\"user\": 7}}], \"user\": \"u{user}\"}}");
            var own = new HashSet<string>();
            for (var i = 0; i < 10; i++)
                own.Add((await _router.CallAsync("c", null, Call with { Body = EndpointBody.JsonObject, Content = body })).Endpoint!);
            arms.Add(Assert.Single(own));
        }

        Assert.Equal(2, arms.Count);
    }

    [Fact]
    public async Task Swap_UnderLoad_FailsNothing_AndDrainsTheOld()
    {
        var old = new FakeRunner("old") { Hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        var loaded = Load("m", runner: old);
        var held = _router.CallAsync("m", null, Call).AsTask();
        Load("m", runner: new FakeRunner("new"));
        var retiring = loaded.RetireAsync();
        Assert.Equal("new", await AskAsync("m"));
        Assert.False(retiring.IsCompleted);
        Assert.False(old.IsDisposed);
        old.Hold.SetResult();
        Assert.Equal("old", Encoding.UTF8.GetString((await held).Content.Span));
        await retiring.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(old.IsDisposed);
    }

    [Fact]
    public async Task Ring_OfEndpoints_Ends()
    {
        var reply = await _router.CallAsync("m", null, Call with { Depth = EndpointRouter.MaxDepth + 1 });
        Assert.Equal(EndpointOutcome.Failed, reply.Outcome);
        Assert.Contains("ring", reply.Detail, StringComparison.Ordinal);
    }

    private LoadedEndpoint Load(string key, bool servesLatest = false, FakeRunner? runner = null)
    {
        var loaded = new LoadedEndpoint(runner ?? new FakeRunner(key), null, () => ValueTask.CompletedTask);
        _table.Set(new EndpointState(key, EndpointPhase.Ready, "", loaded, servesLatest));
        return loaded;
    }

    private async Task<string> AskAsync(string name, string? version = null) =>
        Encoding.UTF8.GetString((await _router.CallAsync(name, version, Call)).Content.Span);

    private async Task<Dictionary<string, int>> AskManyAsync(string name, int count)
    {
        var seen = new Dictionary<string, int>();
        for (var i = 0; i < count; i++)
        {
            var reply = await _router.CallAsync(name, null, Call);
            Assert.Equal(EndpointOutcome.Ok, reply.Outcome);
            seen[reply.Endpoint!] = seen.GetValueOrDefault(reply.Endpoint!) + 1;
        }

        return seen;
    }
}
