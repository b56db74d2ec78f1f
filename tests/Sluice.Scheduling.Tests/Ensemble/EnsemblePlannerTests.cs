using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Scheduling.Ensemble;
using Sluice.Tensors;

namespace Sluice.Scheduling.Tests.Ensemble;

/// <summary>The graph that is made of a configuration; what is refused is tested through sockets.</summary>
public sealed class EnsemblePlannerTests
{
    [Fact]
    public void Plan_StepsInAnyOrder_StandBehindWhatTheyTakeFrom()
    {
        var plan = Plan(["in"], ["out"], Step("copy", "b", "out"), Step("copy", "a", "b"), Step("copy", "in", "a"));
        Assert.Equal([[], [0], [1]], plan.Steps.Select(step => step.Producers));
        Assert.Equal([[1], [2], []], plan.Steps.Select(step => step.Consumers));
        Assert.Equal([false, false, true], plan.Steps.Select(step => step.IsKept));
        Assert.False(plan.HasScopes);
    }

    [Fact]
    public void Plan_BehindADecoupledStep_RunsPerResponse()
    {
        var plan = Plan(["in"], ["out"], Step("copy", "in", "once"), Step("many", "in", "each"), Step("pair", "each", "out", "once"));
        var many = Array.FindIndex(plan.Steps, step => step.IsDecoupled);
        Assert.Equal(many, plan.OutputScope);
        var pair = Array.FindIndex(plan.Steps, step => step.Scope == many);
        Assert.Equal([pair], plan.ScopeSteps[many + 1]);

        // What came once is there, and stays, before the first response opens a scope.
        Assert.Equal([Array.FindIndex(plan.Steps, step => step.Outputs[0].Tensor == plan.Steps[pair].Inputs[1].Tensor)], plan.Steps[many].Producers);
        Assert.Empty(plan.Steps[pair].Producers);
        Assert.True(plan.Steps[plan.Steps[many].Producers[0]].IsKept);
    }

    [Fact]
    public void Plan_DecoupledStepsThatKnowNothingOfEachOther_CannotBeJoined()
    {
        var error = Assert.Throws<InferenceException>(
            () => Plan(["in"], ["out"], Step("many", "in", "a"), Step("many", "in", "b"), Step("pair", "a", "out", "b")));
        Assert.Contains("step 'pair' joins responses of 'many' with responses of 'many'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new long[] { }, new long[] { 1 }, new long[] { 1 })]
    [InlineData(new long[] { 3, 1 }, new long[] { 3 }, new long[] { 3 })]
    [InlineData(new long[] { 3 }, new long[] { 3 }, new long[] { 3 })]
    [InlineData(new long[] { 4 }, new long[] { 2, 3 }, new long[] { 4 })]
    [InlineData(new long[] { 4 }, new long[] { -1, 2 }, new long[] { 4 })]
    public void Fit_GivesTheTakersShape_WhenOnlyOnesDiffer(long[] made, long[] dims, long[] expected) => Assert.Equal(
        expected, EnsembleTensor.Fit(Shape.Create(made), Tensor("x", dims), isBatched: false).Dimensions.ToArray());

    private static EnsemblePlan Plan(string[] inputs, string[] outputs, params EnsembleStepSettings[] steps) => EnsemblePlanner.Plan(
        Model("e", inputs, outputs) with { IsDecoupled = true, Ensemble = new EnsembleSettings { Steps = [.. steps] } },
        step => Model(step.ModelName, step.ModelName == "pair" ? ["x", "y"] : ["x"], ["z"]) with { IsDecoupled = step.ModelName == "many" });

    private static EnsembleStepSettings Step(string model, string input, string output, string? second = null)
    {
        var inputs = ImmutableSortedDictionary<string, string>.Empty.Add("x", input);
        return new EnsembleStepSettings(
            model, -1, second is null ? inputs : inputs.Add("y", second), ImmutableSortedDictionary<string, string>.Empty.Add("z", output));
    }

    private static ModelSettings Model(string name, string[] inputs, string[] outputs) => new()
    {
        Name = name,
        Version = "1",
        Backend = "",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        Inputs = [.. inputs.Select(input => Tensor(input, [1]))],
        Outputs = [.. outputs.Select(output => Tensor(output, [1]))],
    };

    private static TensorSettings Tensor(string name, long[] dims) => new() { Name = name, DataType = DataType.Int32, Dims = dims };
}
