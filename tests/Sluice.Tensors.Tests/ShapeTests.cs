using System.Numerics;

namespace Sluice.Tensors.Tests;

public sealed class ShapeTests
{
    [Fact]
    public void Default_IsAScalar()
    {
        Shape shape = default;
        Assert.Equal(0, shape.Rank);
        Assert.Equal("[]", shape.ToString());
        Assert.True(shape.TryGetElementCount(out var count));
        Assert.Equal(1, count);
        Assert.Equal(Shape.Create([]), shape);
    }

    [Theory]
    [InlineData(new long[] { 1, 16 }, "[1,16]", 16)]
    [InlineData(new long[] { 7 }, "[7]", 7)]
    [InlineData(new long[] { 2, 0, 3 }, "[2,0,3]", 0)]
    [InlineData(new long[] { 0, long.MaxValue, long.MaxValue }, "[0,9223372036854775807,9223372036854775807]", 0)]
    [InlineData(new long[] { long.MaxValue }, "[9223372036854775807]", long.MaxValue)]
    [InlineData(new long[] { 1L << 31, 1L << 31 }, "[2147483648,2147483648]", 1L << 62)]
    public void ElementCount_OfValidShape_IsTheProduct(long[] dimensions, string text, long expected)
    {
        var shape = Shape.Create(dimensions);
        Assert.True(shape.TryGetElementCount(out var count));
        Assert.Equal(expected, count);
        Assert.Equal(text, shape.ToString());
    }

    [Theory]
    [InlineData(new long[] { 1L << 32, 1L << 31 })]
    [InlineData(new long[] { 1L << 32, 1L << 32 })]
    [InlineData(new long[] { 1L << 32, 1L << 32, 1L << 32 })]
    [InlineData(new long[] { -1 })]
    [InlineData(new long[] { -1, -1 })]
    [InlineData(new long[] { 0, -1 })]
    [InlineData(new long[] { long.MinValue, 2 })]
    public void ElementCount_NegativeOrPast63Bits_IsRefused(long[] dimensions)
    {
        Assert.False(Shape.Create(dimensions).TryGetElementCount(out var count));
        Assert.Equal(0, count);
        Assert.False(Shape.Create(dimensions).TryGetByteSize(DataType.Int8, out _));
    }

    [Fact]
    public void ByteSize_AtTheEdge_CountsTheElementSize()
    {
        Assert.True(Shape.Create([long.MaxValue / 8]).TryGetByteSize(DataType.Fp64, out var bytes));
        Assert.Equal(long.MaxValue / 8 * 8, bytes);
        Assert.False(Shape.Create([(long.MaxValue / 8) + 1]).TryGetByteSize(DataType.Fp64, out _));
        Assert.True(Shape.Create([long.MaxValue]).TryGetByteSize(DataType.UInt8, out _));
        Assert.False(Shape.Create([3]).TryGetByteSize(DataType.Bytes, out _));
        Assert.False(Shape.Create([3]).TryGetByteSize(DataType.Invalid, out _));
    }

    [Fact]
    public void RandomShapes_AgreeWithBigIntegers()
    {
        var random = new Random(20250101);
        for (var round = 0; round < 20_000; round++)
        {
            var dimensions = new long[random.Next(Shape.MaxRank + 1)];
            foreach (ref var dimension in dimensions.AsSpan()) dimension = RandomDimension(random);
            var shape = Shape.Create(dimensions);
            var product = dimensions.Aggregate(BigInteger.One, (left, right) => left * right);
            var valid = dimensions.All(d => d >= 0) && product <= long.MaxValue;

            Assert.Equal(valid, shape.TryGetElementCount(out var count));
            Assert.Equal(valid ? (long)product : 0, count);
            var fits = valid && product * 4 <= long.MaxValue;
            Assert.Equal(fits, shape.TryGetByteSize(DataType.Fp32, out var bytes));
            Assert.Equal(fits ? (long)product * 4 : 0, bytes);

            Assert.Equal(dimensions.Length, shape.Rank);
            Assert.Equal(dimensions, shape.Dimensions.ToArray());
            Assert.Equal('[' + string.Join(',', dimensions) + ']', shape.ToString());
            var copy = Shape.Create(dimensions);
            Assert.True(shape == copy);
            Assert.Equal(shape.GetHashCode(), copy.GetHashCode());
            CheckChanges(shape, dimensions, random);
        }
    }

    [Fact]
    public void Create_TooManyDimensions_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Shape.Create(new long[Shape.MaxRank + 1]));
        Assert.Throws<InvalidOperationException>(() => Shape.Create(new long[Shape.MaxRank]).Prepend(1));
    }

    [Fact]
    public void InlineShape_MadeChangedAndCompared_AllocatesNothing()
    {
        long total = 0;
        Run(10);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.NotEqual(0, total);

        void Run(int rounds)
        {
            for (var i = 0; i < rounds; i++)
            {
                var shape = Shape.Create([i, 3, 4]).Prepend(2).WithDimension(1, i + 1);
                shape.TryGetElementCount(out var count);
                total += count + (shape == Shape.Create([2, 1, 3, 4]) ? 1 : 0);
            }
        }
    }

    private static void CheckChanges(Shape shape, long[] dimensions, Random random)
    {
        if (shape.Rank < Shape.MaxRank)
        {
            Assert.Equal(dimensions.Prepend(5), shape.Prepend(5).Dimensions.ToArray());
            Assert.False(shape.Prepend(5).Equals(shape));
        }

        if (shape.Rank == 0) return;
        var at = random.Next(shape.Rank);
        var changed = (long[])dimensions.Clone();
        changed[at]++;
        Assert.Equal(changed, shape.WithDimension(at, changed[at]).Dimensions.ToArray());
        Assert.True(shape != shape.WithDimension(at, changed[at]));
    }

    private static long RandomDimension(Random random) => random.Next(12) switch
    {
        0 => 0,
        1 => -random.Next(1, 3),
        2 => random.NextInt64(),
        3 => 1L << random.Next(63),
        4 => random.Next(100_000),
        _ => random.Next(1, 5),
    };
}
