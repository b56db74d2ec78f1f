using Sluice.Inference;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Finds out which steps a request needs: what only leads to outputs that nobody asked for is left out.</summary>
/// <remarks><b>Threads.</b> Pure over its arguments.</remarks>
internal static class EnsembleNeeds
{
    /// <summary>Tells whether a request asks for an output.</summary>
    public static bool IsWanted(InferRequest request, int output)
    {
        if (request.RequestedOutputCount == 0)
            return true;
        foreach (ref var requested in request.RequestedOutputs)
        {
            if (requested.Index == output)
                return true;
        }

        return false;
    }

    /// <summary>Marks the steps that a request needs.</summary>
    /// <param name="plan">The graph.</param>
    /// <param name="request">Bound.</param>
    /// <param name="isNeeded">By step; overwritten.</param>
    public static void Mark(EnsemblePlan plan, InferRequest request, bool[] isNeeded)
    {
        if (request.RequestedOutputCount == 0)
        {
            Array.Fill(isNeeded, true);
            return;
        }

        Array.Clear(isNeeded);
        for (var i = 0; i < plan.OutputTensors.Length; i++)
        {
            if (IsWanted(request, i))
                isNeeded[plan.Producers[plan.OutputTensors[i]]] = true;
        }

        // Takers come after those whom they take from. A step whose outputs nobody takes runs for its effects.
        for (var i = plan.Steps.Length - 1; i >= 0; i--)
        {
            var step = plan.Steps[i];
            isNeeded[i] |= step.IsEffect;
            if (!isNeeded[i])
                continue;
            foreach (var port in step.Inputs)
            {
                if (plan.Producers[port.Tensor] is var producer && producer != EnsemblePlan.Root)
                    isNeeded[producer] = true;
            }
        }
    }
}
