using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Sluice.Tensors;

/// <summary>The dimensions of a tensor, outermost first; <c>default</c> is rank 0, a scalar.</summary>
/// <remarks>
/// Up to rank 8 the dimensions lie inside the value, so making and copying one allocates nothing.
/// A dimension of -1 is one that is not known yet; a shape of data has none.
/// </remarks>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The highest rank there may be.</summary>
    public const int MaxRank = 32;

    private const int InlineRank = 8;

    private readonly InlineDimensions _inline;
    private readonly long[]? _spilled;
    private readonly int _rank;

    private Shape(ReadOnlySpan<long> dimensions)
    {
        _rank = dimensions.Length;
        if (dimensions.Length <= InlineRank)
        {
            Span<long> inline = _inline;
            dimensions.CopyTo(inline);
        }
        else
        {
            _spilled = dimensions.ToArray();
        }
    }

    /// <summary>Gets the number of dimensions.</summary>
    public int Rank => _rank;

    /// <summary>Gets the dimensions, borrowed from this value.</summary>
    [UnscopedRef]
    public ReadOnlySpan<long> Dimensions =>
        _spilled is null ? ((ReadOnlySpan<long>)_inline)[.._rank] : _spilled;

    /// <summary>Gets one dimension.</summary>
    /// <param name="index">From 0 to <see cref="Rank"/> - 1.</param>
    public long this[int index] => Dimensions[index];

    /// <summary>Tells whether two shapes have the same dimensions.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Tells whether two shapes differ.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary>Makes a shape of the given dimensions.</summary>
    /// <param name="dimensions">At most <see cref="MaxRank"/>; copied; any values, also negative ones.</param>
    /// <returns>The shape.</returns>
    /// <exception cref="ArgumentOutOfRangeException">More than <see cref="MaxRank"/> dimensions.</exception>
    public static Shape Create(ReadOnlySpan<long> dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimensions.Length, MaxRank);
        return new Shape(dimensions);
    }

    /// <summary>Multiplies the dimensions.</summary>
    /// <param name="count">The number of elements; 1 for a scalar, 0 on failure.</param>
    /// <returns>False when a dimension is negative or the product passes 2^63 - 1.</returns>
    public bool TryGetElementCount(out long count)
    {
        // A zero anywhere makes the tensor empty, whatever the product of the others would be.
        var dimensions = Dimensions;
        var empty = false;
        foreach (var dimension in dimensions)
        {
            if (dimension < 0)
            {
                count = 0;
                return false;
            }

            empty |= dimension == 0;
        }

        long product = empty ? 0 : 1;
        for (var i = 0; i < dimensions.Length && !empty; i++)
        {
            if (Math.BigMul(product, dimensions[i], out var low) != 0 || low < 0)
            {
                count = 0;
                return false;
            }

            product = low;
        }

        count = product;
        return true;
    }

    /// <summary>Tells how many bytes the elements take.</summary>
    /// <param name="type">A type of fixed size.</param>
    /// <param name="bytes">The size; 0 on failure.</param>
    /// <returns>False when the type has no fixed size, a dimension is negative or the size passes 2^63 - 1.</returns>
    public bool TryGetByteSize(DataType type, out long bytes)
    {
        bytes = 0;
        var size = type.ElementSize();
        if (size == 0 || !TryGetElementCount(out var count) || count > long.MaxValue / size) return false;
        bytes = count * size;
        return true;
    }

    /// <summary>Makes a copy with one dimension replaced.</summary>
    /// <param name="index">From 0 to <see cref="Rank"/> - 1.</param>
    /// <param name="value">The new dimension.</param>
    /// <returns>The new shape.</returns>
    public Shape WithDimension(int index, long value)
    {
        Span<long> dimensions = stackalloc long[MaxRank];
        dimensions = dimensions[.._rank];
        Dimensions.CopyTo(dimensions);
        dimensions[index] = value;
        return new Shape(dimensions);
    }

    /// <summary>Makes a copy with one more dimension in front.</summary>
    /// <param name="value">The new outermost dimension.</param>
    /// <returns>The new shape.</returns>
    /// <exception cref="InvalidOperationException">The shape has <see cref="MaxRank"/> dimensions.</exception>
    public Shape Prepend(long value)
    {
        if (_rank == MaxRank) throw new InvalidOperationException($"A shape has at most {MaxRank} dimensions.");
        Span<long> dimensions = stackalloc long[MaxRank];
        dimensions[0] = value;
        Dimensions.CopyTo(dimensions[1..]);
        return new Shape(dimensions[..(_rank + 1)]);
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => _rank == other._rank && Dimensions.SequenceEqual(other.Dimensions);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var dimension in Dimensions) hash.Add(dimension);
        return hash.ToHashCode();
    }

    /// <summary>Prints the shape as the protocol's error texts do: <c>[1,16]</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString()
    {
        var text = new StringBuilder("[");
        foreach (var dimension in Dimensions)
        {
            if (text.Length > 1) text.Append(',');
            text.Append(dimension.ToString(CultureInfo.InvariantCulture));
        }

        return text.Append(']').ToString();
    }

    [InlineArray(InlineRank)]
    private struct InlineDimensions
    {
        private long _first;
    }
}
