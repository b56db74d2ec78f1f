using Sluice.Inference;

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
        if (_isAlwaysEqual)
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
                !left.Shape.Dimensions[1..].SequenceEqual(right.Shape.Dimensions[1..]))
                return false;
        }

        return true;
    }
}
