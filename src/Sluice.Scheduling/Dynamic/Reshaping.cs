using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Moves between a tensor's configured dimensions and the shape that the engine has for it.</summary>
/// <remarks>Both hold the same elements. Free dimensions of one side are filled, in order, by the values that the free
/// dimensions of the other side have.</remarks>
internal static class Reshaping
{
    /// <summary>Returns <paramref name="to"/> with its free dimensions filled.</summary>
    /// <param name="actual">Dimensions of the data, as <paramref name="from"/> configures them.</param>
    /// <param name="from">The configuration that <paramref name="actual"/> follows.</param>
    /// <param name="to">The configuration to express it in.</param>
    public static Shape Apply(ReadOnlySpan<long> actual, ReadOnlySpan<long> from, ReadOnlySpan<long> to)
    {
        Span<long> dims = stackalloc long[to.Length];
        var source = 0;
        for (var i = 0; i < to.Length; i++)
        {
            dims[i] = to[i];
            if (to[i] >= 0)
                continue;
            while (source < from.Length && from[source] >= 0)
                source++;
            dims[i] = source < actual.Length ? actual[source] : 1;
            source++;
        }

        return Shape.Create(dims);
    }
}
