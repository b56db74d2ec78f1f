using System.Security.Cryptography;
using System.Text;

namespace Sluice.Rpc.Access;

/// <summary>A header with a value that a caller must send to be admitted to a group of methods (spec §5.3).</summary>
/// <remarks><b>Threads.</b> Immutable.</remarks>
public sealed class RequiredHeader
{
    private readonly byte[] _digest;

    /// <summary>Remembers the header.</summary>
    /// <param name="name">The header's name as error texts give it.</param>
    /// <param name="value">The value that admits.</param>
    public RequiredHeader(string name, string value)
    {
        Name = name;
        LowerName = name.ToLowerInvariant();
        _digest = SHA256.HashData(Encoding.UTF8.GetBytes(value));
    }

    /// <summary>The header's name as error texts give it.</summary>
    public string Name { get; }

    /// <summary>The header's name in lower case, to look it up by.</summary>
    public string LowerName { get; }

    /// <summary>Tells whether a header's value admits; how long it takes says nothing about the right value.</summary>
    /// <param name="value">What came; null = the header is missing.</param>
    public bool Admits(string? value)
    {
        if (value is null)
            return false;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(value), digest);
        return CryptographicOperations.FixedTimeEquals(digest, _digest);
    }
}
