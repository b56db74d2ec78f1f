using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>The API keys of a file, as their hashes; immutable.</summary>
internal sealed class ApiKeys
{
    private readonly ImmutableArray<(byte[] Hash, CallerIdentity Caller)> _keys;

    private ApiKeys(ImmutableArray<(byte[] Hash, CallerIdentity Caller)> keys) => _keys = keys;

    /// <summary>Reads a file of lines <c>name:sha256hex:scopes</c>; blank ones and those after <c>#</c> are passed over.</summary>
    /// <exception cref="IOException">It cannot be read, or a line is none such; the message has its number.</exception>
    public static ApiKeys Read(string path)
    {
        var keys = ImmutableArray.CreateBuilder<(byte[], CallerIdentity)>();
        var number = 0;
        foreach (var raw in File.ReadLines(path))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line.StartsWith('#'))
                continue;
            var parts = line.Split(':', 3);
            if (parts.Length != 3 || parts[0].Length == 0)
                throw new IOException($"{path}, line {number}: must look like NAME:SHA256:SCOPES");
            keys.Add((ReadHash(parts[1]) ?? throw new IOException($"{path}, line {number}: the second part must be 64 hexadecimal digits"),
                CallerIdentity.Parse(parts[0], parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), isStrict: true, out var unknown)
                    ?? throw new IOException($"{path}, line {number}: '{unknown}' is no scope")));
        }

        return new ApiKeys(keys.ToImmutable());
    }

    /// <summary>Finds a key's owner; every key is compared, in constant time.</summary>
    public CallerIdentity? Find(string key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        CallerIdentity? found = null;
        foreach (var (expected, caller) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, expected))
                found = caller;
        }

        return found;
    }

    private static byte[]? ReadHash(string hex)
    {
        if (hex.Length != 2 * SHA256.HashSizeInBytes || !hex.All(char.IsAsciiHexDigit))
            return null;
        return Convert.FromHexString(hex);
    }
}
