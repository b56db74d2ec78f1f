using System.Collections.Immutable;
using Sluice.Inference;

namespace Sluice.Models;

internal static class TensorDescriptions
{
    public static TensorDescription? Find(this ImmutableArray<TensorDescription> tensors, string name)
    {
        foreach (var tensor in tensors)
        {
            if (tensor.Name == name)
                return tensor;
        }

        return null;
    }
}
