using System.Collections.Immutable;

namespace Sluice.Server;

/// <summary>A group of methods or routes that only callers with a certain header may use (spec §5.3).</summary>
/// <param name="Group">A group of <see cref="ApiGroups"/>.</param>
/// <param name="Key">The header's name, for gRPC without the prefix <c>triton-grpc-protocol-</c>.</param>
/// <param name="Value">The value that admits.</param>
public sealed record RestrictedGroup(string Group, string Key, string Value)
{
    /// <summary>Reads <c>GROUP[,GROUP]:KEY=VALUE</c> and adds it to what was read before.</summary>
    /// <exception cref="FormatException">It is malformed, or names a group that is unknown or restricted already.</exception>
    public static ImmutableArray<RestrictedGroup> Add(ImmutableArray<RestrictedGroup> groups, string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var equals = colon < 0 ? -1 : text.IndexOf('=', colon);
        if (colon <= 0 || equals < colon + 2 || equals == text.Length - 1)
            throw new FormatException("must look like GROUP[,GROUP]:KEY=VALUE");
        var (key, value) = (text[(colon + 1)..equals], text[(equals + 1)..]);
        foreach (var group in text[..colon].Split(',', StringSplitOptions.TrimEntries))
        {
            if (!ApiGroups.IsKnown(group))
                throw new FormatException($"unknown restricted protocol '{group}'");
            if (groups.Any(known => known.Group == group))
                throw new FormatException($"protocol '{group}' can not be specified in multiple config groups");
            groups = groups.Add(new RestrictedGroup(group, key, value));
        }

        return groups;
    }
}
