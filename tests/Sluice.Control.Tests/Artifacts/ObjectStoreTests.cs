using Sluice.Control.Artifacts;
using Sluice.Inference;

namespace Sluice.Control.Tests.Artifacts;

public sealed class FileStoreTests : ObjectStoreSuite
{
    protected override string? Root => "file://" + Folder + "/stored";

    [Fact]
    public void Upload_ThatIsBrokenOff_LeavesNoFileAtAll() =>
        Assert.False(Directory.Exists(Path.Combine(Folder, "stored")) && Directory.EnumerateFiles(Path.Combine(Folder, "stored")).Any());

    [Theory]
    [InlineData("relative/path")]
    [InlineData("file://relative")]
    [InlineData("ftp://host/file")]
    [InlineData("s3://")]
    [InlineData("s3://bucket")]
    [InlineData("azure://account.blob.core.windows.net/container")]
    [InlineData("")]
    public async Task Address_OfNoFile_IsRefused(string address)
    {
        using var storage = CreateStorage();
        await FailsAsync(InferenceCode.InvalidArgument, () => storage.OpenReadAsync(address, 0, default));
    }

    [Fact]
    public async Task WebServer_IsOnlyRead()
    {
        using var storage = CreateStorage();
        await FailsAsync(InferenceCode.InvalidArgument, () => storage.BeginUploadAsync("http://127.0.0.1:1/a", default));
        await FailsAsync(InferenceCode.Unavailable, () => storage.OpenReadAsync("http://127.0.0.1:1/a", 0, default));
    }
}

[Collection(StorageGroup.Name)]
public sealed class S3StoreTests(StorageGroup.Fixture stores) : ObjectStoreSuite
{
    protected override string? Root => stores.S3 is null ? null : $"s3://{stores.S3}/models/{Path.GetFileName(Folder)}";

    // The stand-in looks at the key's name only; it does not check the newer kind of signature.
    [Fact]
    public async Task Credentials_ThatAreWrong_AreNamed()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage(options => options with
        {
            Credentials = name => name == "AWS_ACCESS_KEY_ID" ? "wrong" : StorageGroup.Fixture.Credentials(name),
        });
        var read = await FailsAsync(InferenceCode.PermissionDenied, () => storage.OpenReadAsync($"{Root}/any", 0, default));
        Assert.Contains("AWS_ACCESS_KEY_ID", read.Message, StringComparison.Ordinal);
        await FailsAsync(InferenceCode.PermissionDenied, () => UploadAsync(storage, $"{Root}/any", Bytes(10)));
    }

    [Fact]
    public async Task Bucket_ThatIsNotThere_IsNotFound()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage();
        await FailsAsync(InferenceCode.NotFound, () => UploadAsync(storage, $"s3://{stores.S3}/none/a", Bytes(10)));
    }

    [Fact]
    public Task Transfer_ThatIsCut_GoesOnWhereItEnded() => stores.S3 is { } target
        ? CutTransfers.ResumeAsync(CreateStorage(), target, $"/models/{Path.GetFileName(Folder)}/cut", "s3://")
        : Task.CompletedTask;
}

[Collection(StorageGroup.Name)]
public sealed class AzureStoreTests(StorageGroup.Fixture stores) : ObjectStoreSuite
{
    protected override string? Root =>
        stores.Azure is null ? null : $"azure://{stores.Azure}/{StorageGroup.Fixture.AzureAccount}/models/{Path.GetFileName(Folder)}";

    [Fact]
    public async Task Credentials_ThatAreWrong_AreNamed()
    {
        if (Root is null)
            return;
        using var storage = CreateStorage(options => options with
        {
            Credentials = name => name == "AZURE_STORAGE_KEY" ? "d3Jvbmc=" : StorageGroup.Fixture.Credentials(name),
        });
        var read = await FailsAsync(InferenceCode.PermissionDenied, () => storage.OpenReadAsync($"{Root}/any", 0, default));
        Assert.Contains("AZURE_STORAGE_KEY", read.Message, StringComparison.Ordinal);
        await FailsAsync(InferenceCode.PermissionDenied, () => UploadAsync(storage, $"{Root}/any", Bytes(10)));
    }

    [Fact]
    public Task Transfer_ThatIsCut_GoesOnWhereItEnded() => stores.Azure is { } target
        ? CutTransfers.ResumeAsync(
            CreateStorage(), target, $"/{StorageGroup.Fixture.AzureAccount}/models/{Path.GetFileName(Folder)}/cut", "azure://")
        : Task.CompletedTask;
}

/// <summary>Transfers through a proxy that cuts them.</summary>
internal static class CutTransfers
{
    public static async Task ResumeAsync(ArtifactStorage storage, string target, string path, string scheme)
    {
        using (storage)
        {
            var bytes = ObjectStoreSuite.Bytes(3_000_000);
            string sha256;
            await using (var upload = await storage.BeginUploadAsync($"{scheme}{target}{path}", default))
            {
                await upload.WriteAsync(bytes, default);
                sha256 = await upload.CompleteAsync(null, default);
            }

            using var cache = new ArtifactCache(
                storage, Microsoft.Extensions.Logging.Abstractions.NullLogger<ArtifactCache>.Instance, TimeProvider.System);
            using (var proxy = new CuttingProxy(target, cuts: 2, cutAfter: 1_000_000))
            {
                var reference = new ArtifactReference($"{scheme}{proxy.Address}{path}", "cut") { Sha256 = sha256, SizeBytes = bytes.Length };
                using var lease = await cache.AcquireAsync(reference, null, default);
                Assert.Equal(bytes, await File.ReadAllBytesAsync(lease.Path));
                Assert.Equal(2, proxy.CutCount);
            }

            using var always = new CuttingProxy(target, cuts: int.MaxValue, cutAfter: 1000);
            var error = await Assert.ThrowsAsync<InferenceException>(() => cache.AcquireAsync(
                new ArtifactReference($"{scheme}{always.Address}{path}", "cut") { Sha256 = sha256, SizeBytes = bytes.Length }, null, default));
            Assert.Equal(InferenceCode.Unavailable, error.Code);
            Assert.True(always.CutCount >= 4, $"{always.CutCount} attempts");
        }
    }
}
