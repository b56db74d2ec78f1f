using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Tests.Endpoints;

public sealed class ServiceSamplingTests
{
    private static readonly ServiceSampling Sampling = new(
        "s",
        new(new[] { Entry("m/1", 0.5), Entry("m/*", 0.25), Entry("m*"), Entry("auto", 0.1), Entry("auto2/*"), Entry("c"), Entry("off/*", 0) }
            .Select(entry => KeyValuePair.Create(entry.Endpoint, entry))),
        ["auto", "auto2"], 0.75, "kafka:9092");

    [Theory]
    [InlineData("m/1", "m/1", 0.5)]
    [InlineData("m/2", "m/*", 0.25)]
    [InlineData("m", "m*", 0.75)]
    [InlineData("mm/1", "m*", 0.75)]
    [InlineData("auto/7", "auto", 0.1)]
    [InlineData("auto2/1", "auto2/*", 0.75)]
    [InlineData("auto", "auto", 0.1)]
    [InlineData("x/auto", null, 0.75)]
    [InlineData("other", null, 0.75)]
    public void Plan_TakesTheNearestEntry_AsAWhole(string key, string? entry, double frequency)
    {
        var plan = Sampling.Plan(key, [])!;
        Assert.Equal((key, frequency, "kafka:9092"), (plan.Endpoint, plan.Frequency, plan.KafkaServer));
        Assert.Equal(entry is null ? [] : [entry], plan.Variables.Select(variable => variable.Name));
    }

    [Fact]
    public void Plan_OfACanarysArm_IsTheCanarys_BeforePrefixes()
    {
        Assert.Equal("c", Sampling.Plan("m/2", ["unknown", "c"])!.Variables.Single().Name);
        Assert.Equal("m/1", Sampling.Plan("m/1", ["c"])!.Variables.Single().Name);
    }

    [Fact]
    public void Plan_FrequencyZero_IsNone() => Assert.Null(Sampling.Plan("off/1", []));

    [Fact]
    public void Plan_Unchanged_IsTheSameObject()
    {
        var before = Sampling.Plan("m/1", [])!;
        Assert.Same(before, Sampling.Plan("m/1", [], before));
        Assert.NotSame(before, (Sampling with { KafkaServer = "" }).Plan("m/1", [], before));
    }

    [Fact]
    public void Table_GivesPlans_ToEndpointsThatAreThere_ThatCome_AndWhenTheyChange()
    {
        var table = new EndpointTable();
        Set(table, "m/1");
        Assert.Null(PlanOf(table, "m/1"));
        table.SetSampling([Sampling]);
        Set(table, "m/2");
        Assert.Equal((0.5, 0.25), (PlanOf(table, "m/1")!.Frequency, PlanOf(table, "m/2")!.Frequency));
        table.SetCanaries([("s", new CanarySpec { Endpoint = "c", Weights = [1], LoadEndpointPrefix = "m/2" })]);
        Assert.Equal("c", PlanOf(table, "m/2")!.Variables.Single().Name);
        table.SetSampling([Sampling with { Frequency = 0, Metrics = ValueMap<string, MetricSpec>.Empty }]);
        Assert.Null(PlanOf(table, "m/1"));
        table.SetSampling([]);
        Assert.Null(PlanOf(table, "m/2"));
    }

    private static SamplingPlan? PlanOf(EndpointTable table, string key) => table.Snapshot.Endpoints[key].Statistics!.Plan;

    private static void Set(EndpointTable table, string key) =>
        table.Set(new EndpointState(key, EndpointPhase.Ready, "", new LoadedEndpoint(new FakeRunner(key), null, () => ValueTask.CompletedTask), false) { ServiceId = "s" });

    private static MetricSpec Entry(string endpoint, double? frequency = null) => new()
    {
        Endpoint = endpoint,
        LogFrequency = frequency,
        Metrics = new([KeyValuePair.Create(endpoint, new MetricVariable { Type = "value" })]),
    };
}
