using System.Runtime.InteropServices;
using Sluice.Testing;

namespace Sluice.Tensors.Tests;

public sealed unsafe class TensorBufferPoolTests
{
    private static readonly TensorBufferPoolOptions DebugOptions = new() { Debug = true };

    [Fact]
    public void SizeClasses_EveryLength_FitsTightly()
    {
        var random = new Random(7);
        var previous = 0;
        for (var i = 0; i < SizeClasses.Count; i++)
        {
            var capacity = SizeClasses.CapacityOf(i);
            Assert.True(capacity > previous);
            Assert.Equal(i, SizeClasses.IndexOf(capacity));
            Assert.Equal(i, SizeClasses.IndexOf(previous + 1));
            var length = random.Next(previous + 1, capacity);
            Assert.Equal(i, SizeClasses.IndexOf(length));
            Assert.True(capacity <= Math.Max(64, length * 1.25 + 1));
            previous = capacity;
        }

        Assert.Equal(int.MaxValue, previous);
        Assert.Equal(0, SizeClasses.IndexOf(0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    [InlineData(5_000_000)]
    public void Rent_AnyLength_IsAlignedAndOfThatLength(int length)
    {
        using var pool = new TensorBufferPool(DebugOptions);
        var buffer = pool.Rent(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(length, buffer.GetSpan().Length);
        Assert.Equal(length, buffer.Memory.Length);
        Assert.True(buffer.Capacity >= length);
        Assert.Equal(0, (long)buffer.Pointer % TensorBufferPool.Alignment);
        buffer.GetSpan().Fill(0x11);
        Assert.Equal(buffer.Capacity, pool.RentedBytes);
        Assert.Equal(1, pool.RentedCount);

        buffer.Dispose();
        Assert.Equal(0, pool.RentedBytes);
        Assert.Equal(0, pool.RentedCount);
        Assert.Equal(buffer.Capacity, pool.PooledBytes);
    }

    [Fact]
    public void Dispose_OfLargeBuffersBetweenSmallOnes_GivesTheirMemoryToTheSystem()
    {
        // The C library keeps freed blocks for itself once a larger one has been freed.
        using (var larger = new TensorBufferPool(DebugOptions))
            larger.Rent(16 << 20).Dispose();
        using var small = new TensorBufferPool(DebugOptions);
        var addresses = new List<long>();
        var kept = new List<TensorBuffer>();
        using (var pool = new TensorBufferPool(DebugOptions))
        {
            var rented = Enumerable.Range(0, 16).Select(_ =>
            {
                kept.Add(small.Rent(100_000));
                return pool.Rent(4 << 20);
            }).ToArray();
            foreach (var buffer in rented)
            {
                addresses.Add((long)buffer.Pointer);
                buffer.Dispose();
            }
        }

        // Somebody else in the process may have mapped something at some of the places by now.
        var mapped = File.ReadLines("/proc/self/maps").Select(line => line.Split(' ')[0].Split('-'))
            .Select(range => (From: Convert.ToInt64(range[0], 16), To: Convert.ToInt64(range[1], 16))).ToArray();
        Assert.InRange(addresses.Count(address => mapped.Any(range => range.From <= address && address < range.To)), 0, 8);
        kept.ForEach(buffer => buffer.Dispose());
    }

    [Fact]
    public void Memory_OfABuffer_LeadsBackToIt()
    {
        using var pool = new TensorBufferPool(DebugOptions);
        using var buffer = pool.Rent(100);
        Assert.True(TensorBuffer.TryGet(buffer.Memory[40..60], out var found, out var offset));
        Assert.Same(buffer, found);
        Assert.Equal(40, offset);
        Assert.False(TensorBuffer.TryGet(new byte[10], out _, out _));

        using var handle = buffer.Memory[8..].Pin();
        Assert.Equal((nint)buffer.Pointer + 8, (nint)handle.Pointer);
        ref var first = ref MemoryMarshal.GetReference(buffer.Memory.Span);
        first = 42;
        Assert.Equal(42, *buffer.Pointer);
    }

    [Fact]
    public void Shrink_KeepsTheBeginning()
    {
        using var pool = new TensorBufferPool(DebugOptions);
        using var buffer = pool.Rent(100);
        buffer.GetSpan()[9] = 5;
        buffer.Shrink(10);
        Assert.Equal(10, buffer.Length);
        Assert.Equal(5, buffer.GetSpan()[^1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Shrink(11));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Shrink(-1));
    }

    [Fact]
    public void Rent_PastTheLimit_NamesBothNumbersAndTheOption()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 1000, Debug = true });
        using var first = pool.Rent(600);
        var refusal = Assert.Throws<TensorPoolExhaustedException>(() => pool.Rent(500));
        Assert.Contains("500", refusal.Message);
        Assert.Contains("MaxBytes is 1000", refusal.Message);
        Assert.False(pool.TryRent(500, out _));
        Assert.Equal(2, pool.RefusedCount);
        using var second = pool.Rent(300);
        Assert.True(pool.RentedBytes <= 1000);
    }

    [Fact]
    public void Rent_LimitTakenByIdleBuffers_GivesThemUp()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 1000, Debug = true });
        pool.Rent(800).Dispose();
        using var other = pool.Rent(300);
        Assert.Equal(0, pool.PooledBytes);
        Assert.Equal(other.Capacity, pool.RentedBytes);
    }

    [Fact]
    public void Trim_UnusedClass_IsFreedWhileUsedOneStays()
    {
        var time = new ManualTimeProvider();
        using var pool = new TensorBufferPool(
            new TensorBufferPoolOptions { TrimAfter = TimeSpan.FromSeconds(10), Debug = true }, time);
        pool.Rent(5_000_000).Dispose();
        pool.Rent(2000).Dispose();
        for (var second = 0; second < 9; second++) Step();
        Assert.True(pool.PooledBytes > 5_000_000);

        for (var second = 0; second < 12; second++) Step();
        Assert.InRange(pool.PooledBytes, 2000, 2500);
        Assert.Equal(2, pool.MissCount);

        time.Advance(TimeSpan.FromSeconds(25));
        Assert.Equal(0, pool.PooledBytes);

        void Step()
        {
            time.Advance(TimeSpan.FromSeconds(1));
            pool.Rent(2000).Dispose();
        }
    }

    [Fact]
    public void Dispose_TwiceInDebugMode_Throws()
    {
        using var pool = new TensorBufferPool(DebugOptions);
        var buffer = pool.Rent(10);
        buffer.Dispose();
        var error = Assert.Throws<InvalidOperationException>(buffer.Dispose);
        Assert.Contains(nameof(Dispose_TwiceInDebugMode_Throws), error.Message);
    }

    [Fact]
    public void Dispose_Twice_LeavesThePoolWhole()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var buffer = pool.Rent(10);
        buffer.Dispose();
        buffer.Dispose();
        using var one = pool.Rent(10);
        using var two = pool.Rent(10);
        Assert.NotSame(one, two);
    }

    [Fact]
    public void ReturnedMemory_InDebugMode_IsScrambledAndWritesAreFound()
    {
        using var pool = new TensorBufferPool(DebugOptions);
        var buffer = pool.Rent(10);
        buffer.GetSpan().Fill(1);
        var pointer = buffer.Pointer;
        buffer.Dispose();
        Assert.Equal(0xDB, pointer[3]);
        pointer[3] = 9;
        var error = Assert.Throws<InvalidOperationException>(() => pool.Rent(10));
        Assert.Contains("Byte 3", error.Message);
    }

    [Fact]
    public void PoolDispose_BufferStillOut_NamesTheRenter()
    {
        var leaks = new List<string>();
        var pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = leaks.Add });
        var buffer = pool.Rent(77);
        pool.Dispose();
        var leak = Assert.Single(leaks);
        Assert.Contains("77 bytes", leak);
        Assert.Contains(nameof(PoolDispose_BufferStillOut_NamesTheRenter), leak);
        buffer.Dispose();
        Assert.Equal(0, pool.PooledBytes + pool.RentedBytes);
        Assert.Throws<ObjectDisposedException>(() => pool.Rent(1));
    }

    [Fact]
    public void RentAndDispose_SteadyState_AllocateNothing()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var rented = new TensorBuffer[8];
        Run(20);
        var misses = pool.MissCount;
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(misses, pool.MissCount);

        void Run(int rounds)
        {
            for (var round = 0; round < rounds; round++)
            {
                for (var i = 0; i < rented.Length; i++) rented[i] = pool.Rent(100 << (i * 2));
                foreach (var buffer in rented)
                {
                    using var handle = buffer.Memory.Pin();
                    buffer.Dispose();
                }
            }
        }
    }

    [Fact]
    public void RentAndDispose_FromManyThreads_NeverLendsABufferTwice()
    {
        using var pool = new TensorBufferPool(
            new TensorBufferPoolOptions { MaxBytes = 64 << 20, TrimAfter = TimeSpan.FromMilliseconds(4) });
        var handover = new System.Collections.Concurrent.ConcurrentQueue<TensorBuffer>();
        var errors = 0;
        var threads = Enumerable.Range(1, 6).Select(id => new Thread(() => Work(id))).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        while (handover.TryDequeue(out var left)) left.Dispose();

        Assert.Equal(0, errors);
        Assert.Equal(0, pool.RentedCount);
        Assert.Equal(0, pool.RentedBytes);

        void Work(int id)
        {
            var random = new Random(id);
            for (var round = 0; round < 30_000; round++)
            {
                var buffer = pool.Rent(random.Next(8, 3000));
                var mark = ((long)id << 32) | (uint)round;
                *(long*)buffer.Pointer = mark;
                if (round % 1000 == 0) pool.Trim();
                if (handover.Count > 20 && handover.TryDequeue(out var other)) other.Dispose();
                if (*(long*)buffer.Pointer != mark) Interlocked.Increment(ref errors);
                if (round % 3 == 0) handover.Enqueue(buffer);
                else buffer.Dispose();
            }
        }
    }
}
