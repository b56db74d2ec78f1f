using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Sluice.Control.Records;

/// <summary>A map that never changes, in the order of its keys, and equals another with the same content.</summary>
/// <typeparam name="TKey">The keys; immutable.</typeparam>
/// <typeparam name="TValue">The values; immutable.</typeparam>
[SuppressMessage("Naming", "CA1710", Justification = "the name says what it is for")]
[SuppressMessage("Design", "CA1000", Justification = "the empty map is one per type")]
public sealed class ValueMap<TKey, TValue> : IReadOnlyDictionary<TKey, TValue>, IEquatable<ValueMap<TKey, TValue>>
    where TKey : notnull
{
    private readonly ImmutableSortedDictionary<TKey, TValue> _items;

    /// <summary>Copies pairs; of equal keys the last counts.</summary>
    public ValueMap(IEnumerable<KeyValuePair<TKey, TValue>> items)
    {
        IComparer<TKey> comparer = typeof(TKey) == typeof(string)
            ? (IComparer<TKey>)(object)StringComparer.Ordinal
            : Comparer<TKey>.Default;
        var builder = ImmutableSortedDictionary.CreateBuilder<TKey, TValue>(comparer);
        foreach (var (key, value) in items)
            builder[key] = value;
        _items = builder.ToImmutable();
    }

    private ValueMap(ImmutableSortedDictionary<TKey, TValue> items) => _items = items;

    /// <summary>The map without pairs.</summary>
    public static ValueMap<TKey, TValue> Empty { get; } = new([]);

    /// <inheritdoc/>
    public int Count => _items.Count;

    /// <inheritdoc/>
    public IEnumerable<TKey> Keys => _items.Keys;

    /// <inheritdoc/>
    public IEnumerable<TValue> Values => _items.Values;

    /// <inheritdoc/>
    public TValue this[TKey key] => _items[key];

    /// <summary>The map with one pair set.</summary>
    public ValueMap<TKey, TValue> With(TKey key, TValue value) => new(_items.SetItem(key, value));

    /// <summary>The map without a key.</summary>
    public ValueMap<TKey, TValue> Without(TKey key) => new(_items.Remove(key));

    /// <inheritdoc/>
    public bool ContainsKey(TKey key) => _items.ContainsKey(key);

    /// <inheritdoc/>
    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value) => _items.TryGetValue(key, out value);

    /// <inheritdoc/>
    public bool Equals(ValueMap<TKey, TValue>? other) => other is not null && _items.SequenceEqual(other._items);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ValueMap<TKey, TValue>);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var (key, value) in _items)
        {
            hash.Add(key);
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<TKey, TValue>> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
