using Sluice.Tensors.SharedMemory;
using Sluice.Testing;

namespace Sluice.Tensors.Tests;

public sealed class SharedMemoryRegistryTests : IDisposable
{
    private readonly SharedMemoryRegistry _registry = new();
    private readonly SharedMemoryFile _file = new(8192);

    public void Dispose()
    {
        Assert.Equal(0, _registry.UserCount);
        _registry.Dispose();
        Assert.Equal(0, _registry.Count);
        _file.Dispose();
    }

    [Theory]
    [InlineData(0, 8192)]
    [InlineData(64, 4096)]
    [InlineData(4097, 4095)]
    [InlineData(8191, 1)]
    public unsafe void Register_PieceOfTheObject_IsThatMemory(int offset, int byteSize)
    {
        _registry.Register("r", _file.Key, (ulong)offset, (ulong)byteSize);
        var region = _registry.Acquire("r"u8);
        _file.Write(offset, [42]);
        Assert.Equal(42, region.Slice(0, byteSize).Span[0]);
        Assert.True(SharedMemoryWindow.TryGet(region.Slice(0, 1), out var pointer));
        Assert.True(pointer == region.PointerAt(0));
        region.PointerAt((ulong)byteSize - 1)[0] = 43;
        Assert.Equal([43], _file.Read(offset + byteSize - 1, 1));
        _registry.Release(region);
    }

    [Theory]
    [InlineData(0UL, 8193UL)]
    [InlineData(8192UL, 1UL)]
    [InlineData(1UL, 8192UL)]
    [InlineData(0UL, 0UL)]
    [InlineData(ulong.MaxValue, 2UL)]
    [InlineData(2UL, ulong.MaxValue)]
    [InlineData(0UL, 1UL << 62)]
    public void Register_PastTheObject_IsRefused(ulong offset, ulong byteSize)
    {
        var error = Throws(() => _registry.Register("r", _file.Key, offset, byteSize));
        Assert.Equal(SharedMemoryError.OutOfBounds, error.Error);
        Assert.Matches("failed to register shared memory region.*invalid args", error.Message);
        Assert.Equal(0, _registry.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("///")]
    public void Register_KeyOfSlashes_IsRefused(string key) =>
        Assert.Equal(SharedMemoryError.BadKey, Throws(() => _registry.Register("r", key, 0, 1)).Error);

    [Theory]
    [InlineData("triton_python_backend_shm_region_")]
    [InlineData("/triton_python_backend_shm_region_1")]
    [InlineData("//triton_python_backend_shm_region_1")]
    public void Register_ReservedKey_IsRefusedInTheWordsThatTestsKnow(string key)
    {
        var error = Throws(() => _registry.Register("r", key, 0, 1));
        Assert.Equal(
            $"cannot register shared memory region 'r' with key '{key}' as the key contains the reserved prefix " +
            "'triton_python_backend_shm_region_'",
            error.Message);
    }

    [Theory]
    [InlineData("/no-such-object")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("../../etc/passwd")]
    [InlineData("/a/b")]
    [InlineData("a\0b")]
    public void Register_WhatIsNoObject_CannotBeOpened(string key)
    {
        var error = Throws(() => _registry.Register("r", key, 0, 1));
        Assert.Equal(SharedMemoryError.CannotOpen, error.Error);
        Assert.Equal($"Unable to open shared memory region: '{key}'", error.Message);
    }

    [Fact]
    public void Register_LinkToAnotherFile_CannotBeOpened()
    {
        var target = Path.GetTempFileName();
        var link = $"/dev/shm/sluice-test-{Guid.NewGuid():N}";
        File.CreateSymbolicLink(link, target);
        try
        {
            var error = Throws(() => _registry.Register("r", Path.GetFileName(link), 0, 1));
            Assert.Equal(SharedMemoryError.CannotOpen, error.Error);
        }
        finally
        {
            File.Delete(link);
            File.Delete(target);
        }
    }

    [Fact]
    public void Register_NameThatIsTaken_IsRefused()
    {
        _registry.Register("r", _file.Key, 0, 1);
        var error = Throws(() => _registry.Register("r", _file.Key, 0, 1));
        Assert.Equal(SharedMemoryError.AlreadyExists, error.Error);
        Assert.Equal("shared memory region 'r' already in manager", error.Message);
    }

    [Fact]
    public void Register_ByManyAtATime_SucceedsForOne()
    {
        var succeeded = 0;
        Parallel.For(0, 64, _ =>
        {
            try
            {
                _registry.Register("r", _file.Key, 0, 16);
                Interlocked.Increment(ref succeeded);
            }
            catch (SharedMemoryException error)
            {
                Assert.Equal(SharedMemoryError.AlreadyExists, error.Error);
            }
        });
        Assert.Equal(1, succeeded);
        Assert.Equal(1, _registry.Count);
    }

    [Fact]
    public void Register_TooMany_IsRefused()
    {
        for (var i = 0; i < SharedMemoryRegistry.MaxRegions; i++)
            _registry.Register($"r{i}", _file.Key, 0, 1);
        Assert.Equal(SharedMemoryError.Exhausted, Throws(() => _registry.Register("one more", _file.Key, 0, 1)).Error);
    }

    [Theory]
    [InlineData(100UL, 0UL, "Invalid offset for shared memory region: 'r'")]
    [InlineData(ulong.MaxValue, 1UL, "Invalid offset for shared memory region: 'r'")]
    [InlineData(99UL, 2UL, "Invalid offset + byte size for shared memory region: 'r'")]
    [InlineData(1UL, ulong.MaxValue, "Invalid offset + byte size for shared memory region: 'r'")]
    public void Check_PastTheRegion_IsRefused(ulong offset, ulong byteSize, string message)
    {
        _registry.Register("r", _file.Key, 0, 100);
        var region = _registry.List("r")[0];
        region.Check(0, 100);
        Assert.Equal(message, Throws(() => region.Check(offset, byteSize)).Message);
    }

    [Fact]
    public void Check_ObjectMadeShorter_IsRefusedBeforeItsMemoryIsTouched()
    {
        _registry.Register("r", _file.Key, 4096, 4096);
        var region = _registry.List("r")[0];
        _file.SetLength(4097);
        Assert.Contains("has become shorter", Throws(() => region.Check(0, 1)).Message, StringComparison.Ordinal);
        _file.SetLength(8192);
        region.Check(0, 4096);
    }

    [Fact]
    public void Unregister_RegionInUse_StaysUntilItsLastUseEnds()
    {
        _registry.Register("r", _file.Key, 0, 100);
        var first = _registry.Acquire("r"u8);
        _registry.Unregister("r");
        Assert.Single(_registry.List(""));
        var second = _registry.Acquire("r"u8);
        _registry.Release(first);
        Assert.Equal(SharedMemoryError.AlreadyExists, Throws(() => _registry.Register("r", _file.Key, 0, 1)).Error);
        _file.Write(0, [7]);
        Assert.Equal(7, second.Slice(0, 1).Span[0]);
        _registry.Release(second);
        Assert.Equal(0, _registry.Count);
        Assert.Equal(SharedMemoryError.NotFound, Throws(() => _registry.Acquire("r"u8)).Error);
    }

    [Fact]
    public void Unregister_All_LeavesOnlyWhatIsUsed()
    {
        foreach (var name in new[] { "b", "a", "c" })
            _registry.Register(name, _file.Key, 0, 100);
        Assert.Equal(["a", "b", "c"], _registry.List("").Select(region => region.Name));
        var used = _registry.Acquire("b"u8);
        _registry.UnregisterAll();
        _registry.Unregister("never registered");
        Assert.Equal(["b"], _registry.List("").Select(region => region.Name));
        _registry.Release(used);
        Assert.Empty(_registry.List(""));
    }

    [Fact]
    public void Acquire_AfterUnlink_StillHasTheMemory()
    {
        _registry.Register("r", _file.Key, 0, 100);
        _file.Write(5, [9]);
        _file.Unlink();
        var region = _registry.Acquire("r"u8);
        region.Check(0, 100);
        Assert.Equal(9, region.Slice(5, 1).Span[0]);
        _registry.Release(region);
    }

    [Fact]
    public void AcquireAndRelease_WhileOthersRegisterAndUnregister_NeverTouchUnmappedMemory()
    {
        Parallel.For(0, 8, worker =>
        {
            for (var i = 0; i < 2000; i++)
            {
                try
                {
                    if (worker % 2 == 0)
                    {
                        _registry.Register("r", _file.Key, 0, 4096);
                        _registry.Unregister("r");
                        continue;
                    }

                    var region = _registry.Acquire("r"u8);
                    _ = region.Slice(4095, 1).Span[0];
                    _registry.Release(region);
                }
                catch (SharedMemoryException error)
                {
                    Assert.True(error.Error is SharedMemoryError.AlreadyExists or SharedMemoryError.NotFound, error.Message);
                }
            }
        });
        _registry.UnregisterAll();
        Assert.Equal(0, _registry.Count);
    }

    [Fact]
    public void List_UnknownName_IsNotFound() => Assert.Equal(
        "Unable to find system shared memory region: 'x'", Throws(() => _registry.List("x")).Message);

    private static SharedMemoryException Throws(Action action) => Assert.Throws<SharedMemoryException>(action);
}
