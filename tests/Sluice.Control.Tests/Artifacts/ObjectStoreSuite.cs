using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Control.Artifacts;
using Sluice.Inference;

namespace Sluice.Control.Tests.Artifacts;

/// <summary>What every store of objects must do.</summary>
public abstract class ObjectStoreSuite : IDisposable
{
    // More than one part of a multipart upload.
    private const int LargeBytes = (40 * 1024 * 1024) + 12_345;

    protected string Folder { get; } = Directory.CreateTempSubdirectory("sluice-artifacts-").FullName;

    /// <summary>Address below which files may be stored; null where this kind cannot be tested.</summary>
    protected abstract string? Root { get; }

    public static byte[] Bytes(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    [InlineData(LargeBytes)]
    public async Task File_OfAnySize_ComesBackAsItWas(int count)
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        var bytes = Bytes(count);
        var address = $"{Root}/a b+ü%/{count}.bin";
        var sha256 = await UploadAsync(storage, ArtifactUri.Join(Root, "a b+ü%", $"{count}.bin"), bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), sha256);
        var stored = ArtifactUri.Join(Root, "a b+ü%", $"{count}.bin");
        Assert.Equal(bytes, await ReadAsync(storage, stored, 0));
        if (count > 1)
            Assert.Equal(bytes[(count / 2)..], await ReadAsync(storage, stored, count / 2));
        Assert.Equal(count, (await storage.HeadAsync(stored, default)).SizeBytes);
        await storage.DeleteAsync(stored, default);
        await storage.DeleteAsync(stored, default);
        await FailsAsync(InferenceCode.NotFound, () => storage.OpenReadAsync(stored, 0, default));
        Assert.NotEqual(address, stored);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(LargeBytes)]
    public async Task Upload_ThatIsBrokenOff_LeavesNothing(int count)
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        var address = $"{Root}/broken-{count}";
        await using (var upload = await storage.BeginUploadAsync(address, default))
        {
            await upload.WriteAsync(Bytes(count), default);
            await FailsAsync(InferenceCode.NotFound, () => storage.HeadAsync(address, default));
        }

        await FailsAsync(InferenceCode.NotFound, () => storage.HeadAsync(address, default));
    }

    [Fact]
    public async Task Upload_WithAnotherHash_IsRefusedAndLeavesNothing()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        var address = $"{Root}/wrong";
        await using (var upload = await storage.BeginUploadAsync(address, default))
        {
            await upload.WriteAsync(Bytes(10), default);
            await FailsAsync(InferenceCode.DataLoss, () => upload.CompleteAsync(new string('0', 64), default));
        }

        await FailsAsync(InferenceCode.NotFound, () => storage.HeadAsync(address, default));
    }

    [Fact]
    public async Task Upload_PastTheLimit_IsRefused()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage(options => options with { MaxBytes = 100 });
        await using var upload = await storage.BeginUploadAsync($"{Root}/large", default);
        await upload.WriteAsync(Bytes(100), default);
        await FailsAsync(InferenceCode.ResourceExhausted, () => upload.WriteAsync(Bytes(1), default).AsTask());
    }

    [Fact]
    public async Task Upload_OverAnotherFile_IsSeenAsOneOrTheOther()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        var address = $"{Root}/replaced";
        var (first, second) = (Bytes(1000, 1), Bytes(2000, 2));
        await UploadAsync(storage, address, first);
        await using (var upload = await storage.BeginUploadAsync(address, default))
        {
            await upload.WriteAsync(second, default);
            Assert.Equal(first, await ReadAsync(storage, address, 0));
            await upload.CompleteAsync(null, default);
        }

        Assert.Equal(second, await ReadAsync(storage, address, 0));
    }

    [Fact]
    public async Task Cache_OfAFile_HasItHereWithItsName()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        var bytes = Bytes(300_000);
        var sha256 = await UploadAsync(storage, $"{Root}/m.onnx", bytes);
        using var cache = CreateCache(storage);
        var reference = new ArtifactReference($"{Root}/m.onnx", "m.onnx") { Sha256 = sha256, SizeBytes = bytes.Length };
        using var lease = await cache.AcquireAsync(reference, null, default);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(lease.Path));
        Assert.Equal("m.onnx", Path.GetFileName(lease.Path));
        Assert.Equal(sha256, lease.Sha256);
        await FailsAsync(InferenceCode.DataLoss, () => cache.AcquireAsync(reference with { Sha256 = new string('1', 64) }, null, default));
        await FailsAsync(InferenceCode.DataLoss, () => cache.AcquireAsync(reference with { SizeBytes = 1, FileName = "x" }, null, default));
        await FailsAsync(InferenceCode.NotFound, () => cache.AcquireAsync(new ArtifactReference($"{Root}/none"), null, default));
    }

    protected static async Task<string> UploadAsync(ArtifactStorage storage, string address, byte[] bytes)
    {
        await using var upload = await storage.BeginUploadAsync(address, default);

        // Odd pieces, so that parts end within them.
        for (var at = 0; at < bytes.Length; at += 999_983)
            await upload.WriteAsync(bytes.AsMemory(at, Math.Min(999_983, bytes.Length - at)), default);
        return await upload.CompleteAsync(null, default);
    }

    protected static async Task<InferenceException> FailsAsync(InferenceCode code, Func<Task> work)
    {
        var error = await Assert.ThrowsAsync<InferenceException>(work);
        Assert.True(code == error.Code, $"{error.Code}: {error.Message}");
        return error;
    }

    protected ArtifactStorage CreateStorage(Func<ArtifactOptions, ArtifactOptions>? change = null)
    {
        var options = new ArtifactOptions
        {
            Destination = Path.Combine(Folder, "stored"),
            CacheFolder = Path.Combine(Folder, "cache"),
            RetryDelay = TimeSpan.FromMilliseconds(1),
            Credentials = StorageGroup.Fixture.Credentials,
        };
        return new ArtifactStorage(change is null ? options : change(options), TimeProvider.System);
    }

    protected static ArtifactCache CreateCache(ArtifactStorage storage) =>
        new(storage, NullLogger<ArtifactCache>.Instance, TimeProvider.System);

    protected static async Task<byte[]> ReadAsync(ArtifactStorage storage, string address, long offset)
    {
        await using var content = await storage.OpenReadAsync(address, offset, default);
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy);
        return copy.ToArray();
    }
}
