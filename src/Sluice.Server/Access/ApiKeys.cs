using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>One API key.</summary>
/// <param name="Hash">Its SHA-256.</param>
/// <param name="Caller">Who has it.</param>
internal sealed record ApiKey(byte[] Hash, CallerIdentity Caller);

/// <summary>An API key that credentials stand for.</summary>
/// <param name="Key">The key.</param>
/// <param name="Expires">When the credentials end.</param>
/// <param name="Begun">When the key itself was shown, where they are a token; null = now.</param>
internal sealed record KeyMatch(ApiKey Key, DateTimeOffset Expires, DateTimeOffset? Begun);

/// <summary>The API keys of a file, as their hashes; immutable.</summary>
internal sealed class ApiKeys
{
    private readonly ImmutableArray<ApiKey> _keys;

    private ApiKeys(ImmutableArray<ApiKey> keys) => _keys = keys;

    /// <summary>Reads a file of lines <c>name:sha256hex:scopes</c>; blank ones and those after <c>#</c> are passed over.</summary>
    /// <exception cref="IOException">It cannot be read, or a line is none such; the message has its number.</exception>
    public static ApiKeys Read(string path)
    {
        var keys = ImmutableArray.CreateBuilder<ApiKey>();
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
            keys.Add(new ApiKey(ReadHash(parts[1]) ?? throw new IOException($"{path}, line {number}: the second part must be 64 hexadecimal digits"),
                CallerIdentity.Parse(parts[0], parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), isStrict: true, out var unknown)
                    ?? throw new IOException($"{path}, line {number}: '{unknown}' is no scope")));
        }

        return new ApiKeys(keys.ToImmutable());
    }

    /// <summary>Lists the keys of one name; of those that are the same the last comes first, as <see cref="Find"/> has it.</summary>
    public IEnumerable<ApiKey> Named(string name) => _keys.Where(key => key.Caller.Name == name).Reverse();

    /// <summary>Finds a key by what it is the hash of; every key is compared, in constant time.</summary>
    public ApiKey? Find(string key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        ApiKey? found = null;
        foreach (var known in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, known.Hash))
                found = known;
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
