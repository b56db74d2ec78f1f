using Sluice.Control.AutoUpdate;
using Sluice.Control.Records;

namespace Sluice.Control.Tests.AutoUpdate;

public sealed class VersionPolicyTests
{
    /// <summary>Each step is the newest-first list of models; the answer lists live ones as <c>number:model</c>.</summary>
    [Theory]
    [InlineData(2, "A|BA|CBA", "1:A|1:A 2:B|2:B 3:C")]
    [InlineData(2, "A|BA|CBA|CA", "1:A|1:A 2:B|2:B 3:C|1:A 3:C")]
    [InlineData(1, "A|BA|A|BA", "1:A|2:B|1:A|2:B")]
    [InlineData(1, "CBA|DCBA", "1:C|2:D")]
    [InlineData(3, "CBA", "1:A 2:B 3:C")]
    [InlineData(2, "BA||DC", "1:A 2:B||3:C 4:D")]
    public void Numbers_OnlyGrow_AndAreKept(int max, string steps, string expected)
    {
        var monitor = Monitor("m", max);
        ValueList<VersionAssignment> given = [];
        var seen = new List<string>();
        foreach (var step in steps.Split('|'))
        {
            given = VersionPolicy.Assign(monitor, given, [.. step.Select(model => model.ToString())], default);
            seen.Add(string.Join(' ', given.Where(v => v.IsLive).OrderBy(v => v.Version).Select(v => $"{v.Version}:{v.ModelId}")));
        }

        Assert.Equal(expected, string.Join('|', seen));
        Assert.Equal(given.Count, given.Select(version => version.Version).Distinct().Count());
        Assert.Equal(given.Count, given.Select(version => version.ModelId).Distinct().Count());
    }

    [Fact]
    public void Unset_MaxVersions_ServesOne() =>
        Assert.Single(VersionPolicy.Assign(Monitor("m", null), [], ["B", "A"], default), version => version.IsLive);

    [Fact]
    public void NothingNew_GivesTheSameList()
    {
        var given = VersionPolicy.Assign(Monitor("m", 2), [], ["B", "A"], default);
        Assert.Same(given, VersionPolicy.Assign(Monitor("m", 2), given, ["B", "A"], DateTimeOffset.UnixEpoch));
    }

    [Fact]
    public void OtherMonitors_AreLeftAlone()
    {
        var given = VersionPolicy.Assign(Monitor("m", 2), [], ["A"], default);
        given = VersionPolicy.Assign(Monitor("n", 2), given, ["A", "B"], default);
        Assert.Equal(["m1A", "n1B", "n2A"], given.Select(v => $"{v.BaseServingUrl}{v.Version}{v.ModelId}").Order());
    }

    /// <summary>Else a monitor that comes again would serve what it last did until it has looked.</summary>
    [Fact]
    public void NumbersOfAMonitorThatIsGone_AreKept_AndServedNoMore()
    {
        var monitors = ValueMap<string, MonitorSpec>.Empty.With("m", Monitor("m", 2)).With("n", Monitor("n", 1));
        var given = VersionPolicy.Assign(Monitor("m", 2), [], ["B", "A"], default);
        given = VersionPolicy.Assign(Monitor("n", 1), given, ["A"], default);
        var state = new DesiredState
        {
            Service = new ServiceRecord("s", "s", "p", [], default, "1", false),
            Monitors = monitors,
            AssignedVersions = given,
        };
        Assert.Same(state, VersionPolicy.Keep(state));
        var unreadable = state with { Monitors = monitors.Without("m"), Unreadable = ValueMap<string, string>.Empty.With("monitor:m", "?") };
        Assert.Same(unreadable, VersionPolicy.Keep(unreadable));
        var kept = VersionPolicy.Keep(state with { Monitors = monitors.Without("m") }).AssignedVersions;
        Assert.Equal(["m1", "m2", "n1 live"], kept.Select(v => $"{v.BaseServingUrl}{v.Version}{(v.IsLive ? " live" : "")}").Order());
        var again = VersionPolicy.Assign(Monitor("m", 1), kept, ["B"], default);
        Assert.Equal(["m2", "n1"], again.Where(v => v.IsLive).Select(v => $"{v.BaseServingUrl}{v.Version}").Order());
    }

    [Fact]
    public void Endpoints_HaveTheMonitorsFields_AndTheirOwnCode()
    {
        var monitor = Monitor("m", 2) with
        {
            PreprocessArtifact = "code",
            VersionPreprocessArtifacts = ValueMap<long, string>.Empty.With(2, "code-2"),
            AuxiliaryCfg = "{}",
            InputName = ["x"],
        };
        var state = new DesiredState
        {
            Service = new ServiceRecord("s", "s", "p", [], default, "1", false),
            Monitors = ValueMap<string, MonitorSpec>.Empty.With("m", monitor),
            AssignedVersions = VersionPolicy.Assign(monitor, [], ["B", "A"], default),
        };
        var endpoints = MonitoredEndpoints.List(state).ToList();
        Assert.Equal(["m/1:A:code", "m/2:B:code-2"], endpoints.Select(e => $"{e.Key}:{e.ModelId}:{e.PreprocessArtifact}"));
        Assert.All(endpoints, endpoint => Assert.Equal(("triton", "{}", "x"), (endpoint.EngineType, endpoint.AuxiliaryCfg, endpoint.InputName[0])));
        Assert.Empty(MonitoredEndpoints.List(state with { Monitors = ValueMap<string, MonitorSpec>.Empty }));
    }

    private static MonitorSpec Monitor(string name, int? max) => new() { BaseServingUrl = name, EngineType = "triton", MaxVersions = max };
}
