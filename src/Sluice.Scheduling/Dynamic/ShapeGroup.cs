using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Tells whether two requests may share a batch: same inputs present, same shapes behind the batch dimension.</summary>
internal sealed class ShapeGroup
{
    private readonly ModelSettings _settings;
    private readonly bool _isAlwaysEqual;

    public ShapeGroup(ModelSettings settings)
    {
        _settings = settings;
        _isAlwaysEqual = settings.Inputs.All(input =>
            !input.IsOptional && !input.IsShapeTensor && !input.AcceptsFewer && (IsRagged(input) || input.Dims.All(dimension => dimension >= 0)));
    }

    private bool IsRagged(TensorSettings input) => input.AllowRaggedBatch && _settings.MaxBatchSize > 0;

    public bool AreEqual(InferRequest first, InferRequest other)
    {
        if (_isAlwaysEqual || ReferenceEquals(first, other))
            return true;
        for (var i = 0; i < _settings.Inputs.Length; i++)
        {
            var (a, b) = (first.InputByIndex[i], other.InputByIndex[i]);
            if (a < 0 != b < 0)
                return false;
            if (a < 0 || IsRagged(_settings.Inputs[i]))
                continue;
            ref var left = ref first.Inputs[a];
            ref var right = ref other.Inputs[b];
            // A shape tensor is one value for the whole batch; comparing it is not worth it.
            if (_settings.Inputs[i].IsShapeTensor || left.Shape.Rank != right.Shape.Rank ||
                !Row(left.Shape).SequenceEqual(Row(right.Shape)))
                return false;
        }

        return true;
    }

    /// <summary>The dimensions behind that of the batch; scalars have none.</summary>
    private static ReadOnlySpan<long> Row(in Shape shape) => shape.Dimensions[Math.Min(1, shape.Rank)..];
}
