using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Reads the shape of nested arrays off their nesting.</summary>
internal static class NestedShape
{
    /// <summary>Measures the value that a copy of a reader stands on.</summary>
    /// <param name="reader">Stands on the value.</param>
    /// <param name="name">The tensor's name, for messages.</param>
    /// <exception cref="InferenceException">The arrays are ragged, too deep or hold objects.</exception>
    public static Shape Measure(Utf8JsonReader reader, string name)
    {
        Span<long> dims = stackalloc long[Shape.MaxRank];
        Span<long> counts = stackalloc long[Shape.MaxRank + 1];
        dims.Fill(-1);
        if (reader.TokenType != JsonTokenType.StartArray)
            return IsLeaf(reader.TokenType) ? Shape.Create([]) : throw Unfit(name);
        var (depth, rank) = (1, -1);
        counts[1] = 0;
        while (depth > 0)
        {
            var token = JsonTokens.Next(ref reader);
            if (token == JsonTokenType.StartArray)
            {
                counts[depth]++;
                if (depth == Shape.MaxRank || depth == rank)
                    throw depth == rank ? Ragged(name) : TooDeep(name);
                counts[++depth] = 0;
            }
            else if (token == JsonTokenType.EndArray)
            {
                Close(dims, depth, counts[depth], name);
                depth--;
            }
            else
            {
                if (!IsLeaf(token))
                    throw Unfit(name);
                if (rank < 0)
                    rank = depth;
                if (depth != rank)
                    throw Ragged(name);
                counts[depth]++;
            }
        }

        var found = 0;
        while (found < dims.Length && dims[found] >= 0)
            found++;
        return Shape.Create(dims[..found]);
    }

    private static void Close(Span<long> dims, int depth, long count, string name)
    {
        if (dims[depth - 1] >= 0 && dims[depth - 1] != count)
            throw Ragged(name);
        dims[depth - 1] = count;
    }

    private static bool IsLeaf(JsonTokenType token) =>
        token is JsonTokenType.Number or JsonTokenType.String or JsonTokenType.True or JsonTokenType.False;

    private static InferenceException Unfit(string name) => InferenceException.Invalid(
        $"input '{name}' must be a number, a text, true or false, or arrays of them");

    private static InferenceException Ragged(string name) => InferenceException.Invalid(
        $"input '{name}': its arrays have different lengths or depths, so they are no tensor");

    private static InferenceException TooDeep(string name) => InferenceException.Invalid(
        $"input '{name}' has more than {Shape.MaxRank} dimensions");
}
