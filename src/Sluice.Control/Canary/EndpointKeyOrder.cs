namespace Sluice.Control.Canaries;

/// <summary>Orders keys of endpoints newest first (spec clearml §2.5): by path, then by the last segment, its numbers as numbers.</summary>
/// <remarks><c>10</c> is newer than <c>9</c>, <c>v10</c> than <c>v2</c>, <c>2.0</c> than <c>1.10</c>. Keys without a slash
/// compare as they stand.</remarks>
public sealed class EndpointKeyOrder : IComparer<string>
{
    /// <summary>The order, which has no state.</summary>
    public static EndpointKeyOrder NewestFirst { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        var (left, right) = (x ?? "", y ?? "");
        var (leftSlash, rightSlash) = (left.LastIndexOf('/'), right.LastIndexOf('/'));
        if (leftSlash < 0 || rightSlash < 0)
            return string.CompareOrdinal(right, left);
        var paths = right.AsSpan(0, rightSlash + 1).SequenceCompareTo(left.AsSpan(0, leftSlash + 1));
        if (paths != 0)
            return paths;
        var versions = CompareVersions(right.AsSpan(rightSlash + 1), left.AsSpan(leftSlash + 1));
        return versions != 0 ? versions : string.CompareOrdinal(right, left);
    }

    /// <summary>Compares versions as people read them; greater is newer.</summary>
    public static int CompareVersions(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        while (!left.IsEmpty && !right.IsEmpty)
        {
            int order;
            if (char.IsAsciiDigit(left[0]) && char.IsAsciiDigit(right[0]))
            {
                var first = TakeNumber(ref left);
                var second = TakeNumber(ref right);
                order = first.Length != second.Length ? first.Length.CompareTo(second.Length) : first.SequenceCompareTo(second);
            }
            else
            {
                order = left[0].CompareTo(right[0]);
                left = left[1..];
                right = right[1..];
            }

            if (order != 0)
                return order;
        }

        return left.Length.CompareTo(right.Length);
    }

    /// <summary>Cuts the digits off the start; leading zeros say nothing.</summary>
    private static ReadOnlySpan<char> TakeNumber(ref ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        var number = end < 0 ? text : text[..end];
        text = text[number.Length..];
        return number.TrimStart('0');
    }
}
