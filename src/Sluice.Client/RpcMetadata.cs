using System.Collections;
using Sluice.Protocol.Metadata;

namespace Sluice.Client;

/// <summary>Headers or trailers of a call. Keys are lower case; those that end in <c>-bin</c> carry bytes.</summary>
/// <remarks><b>Threads.</b> Not to be changed while a call uses it.</remarks>
public sealed class RpcMetadata : IEnumerable<KeyValuePair<string, string>>
{
    internal static readonly RpcMetadata Empty = [];

    private readonly List<KeyValuePair<string, string>> _entries = [];

    /// <summary>Number of entries.</summary>
    public int Count => _entries.Count;

    /// <summary>Adds a text.</summary>
    /// <param name="key">Lower case letters, digits, <c>-</c>, <c>_</c> and <c>.</c>; does not begin with <c>grpc-</c>.</param>
    /// <param name="value">Printable ASCII.</param>
    /// <exception cref="ArgumentException">The key or the value cannot be sent.</exception>
    public void Add(string key, string value)
    {
        CheckKey(key);
        if (key.EndsWith("-bin", StringComparison.Ordinal))
            throw new ArgumentException($"'{key}' carries bytes; add them as bytes", nameof(key));
        if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            throw new ArgumentException($"the value of '{key}' is not printable ASCII; use a key that ends in -bin", nameof(value));
        _entries.Add(new(key, value));
    }

    /// <summary>Adds bytes.</summary>
    /// <param name="key">Ends in <c>-bin</c>.</param>
    /// <param name="value">Any bytes.</param>
    /// <exception cref="ArgumentException">The key cannot be sent.</exception>
    public void Add(string key, ReadOnlySpan<byte> value)
    {
        CheckKey(key);
        if (!key.EndsWith("-bin", StringComparison.Ordinal))
            throw new ArgumentException($"'{key}' must end in -bin to carry bytes", nameof(key));
        _entries.Add(new(key, BinaryHeader.Encode(value)));
    }

    /// <summary>Returns the first text of a key, or null.</summary>
    public string? Get(string key) => _entries.Find(entry => entry.Key == key).Value;

    /// <summary>Returns the first bytes of a key that ends in <c>-bin</c>, or null.</summary>
    public byte[]? GetBytes(string key) =>
        Get(key) is { } text && BinaryHeader.TryDecode(text.Split(',')[0], out var value) ? value : null;

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal void AddReceived(string key, string value) => _entries.Add(new(key.ToLowerInvariant(), value));

    private static void CheckKey(string key)
    {
        var isGood = key.Length > 0 && !key.StartsWith("grpc-", StringComparison.Ordinal);
        foreach (var character in key)
            isGood &= char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character is '-' or '_' or '.';
        if (!isGood)
            throw new ArgumentException($"'{key}' is no metadata key", nameof(key));
    }
}
