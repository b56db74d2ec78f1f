namespace Sluice.Protocol.Wire;

/// <summary>A message's bytes do not follow the protobuf wire format.</summary>
public sealed class WireFormatException(string message) : Exception(message)
{
    internal static WireFormatException Truncated() => new("the message ends within a field");

    internal static WireFormatException BadVarint() => new("a varint is longer than 10 bytes");

    internal static WireFormatException BadTag(ulong tag) => new($"the tag {tag} is not valid");

    internal static WireFormatException TooDeep() => new("groups are nested too deeply");
}
