namespace Sluice.Scheduling.Ensemble;

/// <summary>The checked graph of an ensemble.</summary>
/// <remarks>
/// <para>Tensors and steps are numbers from 0 up; steps stand in an order in which each one's inputs come before it.</para>
/// <para>A decoupled step opens a <em>scope</em> with each of its responses: the steps that need the response run once per scope.
/// A scope is named by the number of the step that opens it, the request itself by <see cref="Root"/>.</para>
/// <para><b>Threads.</b> Immutable.</para>
/// </remarks>
internal sealed class EnsemblePlan
{
    /// <summary>The scope of what happens once per request, and the producer of the ensemble's own inputs.</summary>
    public const int Root = -1;

    /// <summary>The steps.</summary>
    public required EnsembleStep[] Steps { get; init; }

    /// <summary>Numbers of steps by scope; the root's stand at 0, those of step n at n + 1.</summary>
    public required int[][] ScopeSteps { get; init; }

    /// <summary>The step that makes a tensor, by the tensor's number.</summary>
    public required int[] Producers { get; init; }

    /// <summary>The scope that a tensor belongs to, by the tensor's number.</summary>
    public required int[] Scopes { get; init; }

    /// <summary>The ensemble's inputs, by their index in its settings.</summary>
    public required int[] InputTensors { get; init; }

    /// <summary>The ensemble's outputs, by their index in its settings.</summary>
    public required int[] OutputTensors { get; init; }

    /// <summary>The scope whose end makes a response.</summary>
    public required int OutputScope { get; init; }

    /// <summary>Class names of outputs, from the steps that make them; by index in the settings.</summary>
    public required System.Collections.Immutable.ImmutableArray<byte[]>[] Labels { get; init; }

    /// <summary>Some step may answer more than once.</summary>
    public bool HasScopes => Array.Exists(Steps, step => step.IsDecoupled);
}

/// <summary>One model of an ensemble.</summary>
internal sealed class EnsembleStep
{
    /// <summary>The model.</summary>
    public required byte[] ModelName { get; init; }

    /// <summary>The version; empty = the highest ready one.</summary>
    public required byte[] Version { get; init; }

    /// <summary>It answers any number of times.</summary>
    public required bool IsDecoupled { get; init; }

    /// <summary>The scope it runs in.</summary>
    public required int Scope { get; init; }

    /// <summary>What it takes.</summary>
    public required EnsemblePort[] Inputs { get; init; }

    /// <summary>What is taken from it.</summary>
    public required EnsemblePort[] Outputs { get; init; }

    /// <summary>Steps of the same scope that it waits for.</summary>
    public required int[] Producers { get; init; }

    /// <summary>Steps of the same scope that wait for it.</summary>
    public int[] Consumers { get; set; } = [];

    /// <summary>Nothing takes what it makes, so it runs for its effects.</summary>
    public bool IsEffect { get; set; }

    /// <summary>What it makes is needed until its scope ends, by an inner scope or as an answer.</summary>
    public bool IsKept { get; set; }
}

/// <summary>A tensor at a step.</summary>
/// <param name="Tensor">The tensor's number.</param>
/// <param name="Name">What the step's model calls it.</param>
/// <param name="IsOptional">Inputs: the step runs without it too.</param>
internal readonly record struct EnsemblePort(int Tensor, byte[] Name, bool IsOptional);
