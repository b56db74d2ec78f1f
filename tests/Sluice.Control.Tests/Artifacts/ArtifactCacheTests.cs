using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Control.Artifacts;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Control.Tests.Artifacts;

/// <summary>The cache over a web server of the test's own, which counts requests and may misbehave.</summary>
public sealed class ArtifactCacheTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-cache-").FullName;
    private readonly HttpListener _listener = new();
    private readonly Dictionary<string, byte[]> _files = [];
    private readonly Func<HttpListenerContext, bool>[] _misbehaviour = [_ => false];
    private int _getCount;

    public ArtifactCacheTests()
    {
        Root = $"http://127.0.0.1:{FreePort.Take()}";
        _listener.Prefixes.Add($"{Root}/");
        _listener.Start();
        _ = ServeAsync();
    }

    private string Root { get; }

    public void Dispose()
    {
        _listener.Close();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task File_AskedForByMany_IsFetchedOnce()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1_000_000);
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        var reports = new Reports();
        var leases = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => cache.AcquireAsync(Reference("/m"), reports, default)));
        Assert.Equal(1, _getCount);
        Assert.Single(leases.Select(lease => lease.Path).Distinct());
        Assert.NotEmpty(reports.All);
        foreach (var lease in leases)
            lease.Dispose();
        using var again = await cache.AcquireAsync(Reference("/m"), null, default);
        Assert.Equal(1, _getCount);
    }

    [Fact]
    public async Task Copy_OfAnEarlierProcess_IsCheckedAndUsed()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1000);
        using var storage = CreateStorage();
        string path;
        using (var cache = CreateCache(storage))
        using (var lease = await cache.AcquireAsync(Reference("/m"), null, default))
            path = lease.Path;
        using (var cache = CreateCache(storage))
        using (await cache.AcquireAsync(Reference("/m"), null, default))
            Assert.Equal(1, _getCount);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[500] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        using (var cache = CreateCache(storage))
        {
            using var lease = await cache.AcquireAsync(Reference("/m"), null, default);
            Assert.Equal(2, _getCount);
            Assert.Equal(_files["/m"], await File.ReadAllBytesAsync(lease.Path));
        }
    }

    [Fact]
    public async Task Download_ThatDoesNotHaveTheHash_IsTriedAgainFromItsBeginning()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1000);
        var wrong = ObjectStoreSuite.Bytes(1000, seed: 2);
        _misbehaviour[0] = context =>
        {
            if (_getCount > 2)
                return false;
            context.Response.OutputStream.Write(wrong);
            return true;
        };
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        using var lease = await cache.AcquireAsync(Reference("/m"), null, default);
        Assert.Equal(3, _getCount);
        Assert.Equal(_files["/m"], await File.ReadAllBytesAsync(lease.Path));
    }

    [Fact]
    public async Task Server_ThatIsBusy_IsAskedAgainThenTold()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1000);
        _misbehaviour[0] = context =>
        {
            context.Response.StatusCode = 503;
            return true;
        };
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        var error = await Assert.ThrowsAsync<InferenceException>(() => cache.AcquireAsync(Reference("/m"), null, default));
        Assert.Equal(InferenceCode.Unavailable, error.Code);
        Assert.Equal(4, _getCount);
        _misbehaviour[0] = _ => false;
        using var lease = await cache.AcquireAsync(Reference("/m"), null, default);
        Assert.Equal(1000, new FileInfo(lease.Path).Length);
    }

    [Fact]
    public async Task Copies_PastTheBound_GoOldestFirstAndNeverInUse()
    {
        foreach (var name in new[] { "/a", "/b", "/c" })
            _files[name] = ObjectStoreSuite.Bytes(1000, seed: name[1]);
        using var storage = CreateStorage(cacheBytes: 2000);
        using var cache = CreateCache(storage);
        var held = await cache.AcquireAsync(Reference("/a"), null, default);
        (await cache.AcquireAsync(Reference("/b"), null, default)).Dispose();
        (await cache.AcquireAsync(Reference("/c"), null, default)).Dispose();
        Assert.Equal(2000, cache.SizeBytes);
        Assert.True(File.Exists(held.Path));
        (await cache.AcquireAsync(Reference("/c"), null, default)).Dispose();
        Assert.Equal(3, _getCount);
        (await cache.AcquireAsync(Reference("/b"), null, default)).Dispose();
        Assert.Equal(4, _getCount);
        held.Dispose();
    }

    [Fact]
    public async Task Package_IsUnpackedOnce_AndRefusedWhenItWouldLeaveItsFolder()
    {
        _files["/p.zip"] = Zip(("pkg/__init__.py", "x = 1"), ("data.txt", "d"));
        _files["/evil.zip"] = Zip(("../../evil", "e"));
        _files["/none.zip"] = [1, 2, 3];
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        using (var lease = await cache.AcquireAsync(Reference("/p.zip") with { IsPackage = true }, null, default))
        {
            Assert.Equal("x = 1", await File.ReadAllTextAsync(Path.Combine(lease.Path, "pkg", "__init__.py")));
            Assert.Equal("d", await File.ReadAllTextAsync(Path.Combine(lease.Path, "data.txt")));
        }

        foreach (var name in new[] { "/evil.zip", "/none.zip" })
        {
            var error = await Assert.ThrowsAsync<InferenceException>(
                () => cache.AcquireAsync(Reference(name) with { IsPackage = true }, null, default));
            Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        }

        Assert.Empty(Directory.EnumerateFiles(_folder, "evil", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task File_WithoutAHash_IsFetchedAgainWhenItChanges()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1000);
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        var reference = new ArtifactReference($"{Root}/m");
        (await cache.AcquireAsync(reference, null, default)).Dispose();
        (await cache.AcquireAsync(reference, null, default)).Dispose();
        Assert.Equal(1, _getCount);
        _files["/m"] = ObjectStoreSuite.Bytes(2000);
        using var lease = await cache.AcquireAsync(reference, null, default);
        Assert.Equal(2000, new FileInfo(lease.Path).Length);
    }

    [Fact]
    public async Task Fetch_ThatNobodyWaitsForAnyMore_IsGivenUp()
    {
        _files["/m"] = ObjectStoreSuite.Bytes(1000);
        var isAsked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var mayAnswer = new TaskCompletionSource();
        _misbehaviour[0] = context =>
        {
            isAsked.TrySetResult();
            mayAnswer.Task.GetAwaiter().GetResult();
            return false;
        };
        using var storage = CreateStorage();
        using var cache = CreateCache(storage);
        using var gone = new CancellationTokenSource();
        var waiting = cache.AcquireAsync(Reference("/m"), null, gone.Token);
        await isAsked.Task;
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        mayAnswer.SetResult();
        _misbehaviour[0] = _ => false;
        using var lease = await cache.AcquireAsync(Reference("/m"), null, default);
        Assert.Equal(_files["/m"], await File.ReadAllBytesAsync(lease.Path));
    }

    private static byte[] Zip(params (string Name, string Text)[] files)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, text) in files)
            {
                using var entry = zip.CreateEntry(name).Open();
                entry.Write(Encoding.UTF8.GetBytes(text));
            }
        }

        return stream.ToArray();
    }

    private static ArtifactCache CreateCache(ArtifactStorage storage) =>
        new(storage, NullLogger<ArtifactCache>.Instance, TimeProvider.System);

    private ArtifactReference Reference(string name) => new($"{Root}{name}", name.Trim('/'))
    {
        Sha256 = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(_files[name])),
        SizeBytes = _files[name].Length,
    };

    private ArtifactStorage CreateStorage(long cacheBytes = 1 << 30) => new(
        new ArtifactOptions
        {
            Destination = Path.Combine(_folder, "stored"),
            CacheFolder = Path.Combine(_folder, "cache"),
            CacheBytes = cacheBytes,
            RetryDelay = TimeSpan.FromMilliseconds(1),
            Credentials = _ => null,
        },
        TimeProvider.System);

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                _ = Task.Run(() => Answer(context));
            }
        }
        catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
        {
        }
    }

    private void Answer(HttpListenerContext context)
    {
        try
        {
            var isGet = context.Request.HttpMethod == "GET";
            if (isGet)
                Interlocked.Increment(ref _getCount);
            if (!_files.TryGetValue(context.Request.Url!.AbsolutePath, out var bytes))
            {
                context.Response.StatusCode = 404;
            }
            else if (!isGet || !_misbehaviour[0](context))
            {
                context.Response.Headers["ETag"] = $"\"{bytes.Length}\"";
                context.Response.ContentLength64 = bytes.Length;
                if (isGet)
                    context.Response.OutputStream.Write(bytes);
            }

            context.Response.Close();
        }
        catch (Exception error) when (error is HttpListenerException or IOException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    private sealed class Reports : IProgress<TransferProgress>
    {
        public System.Collections.Concurrent.ConcurrentQueue<TransferProgress> All { get; } = new();

        public void Report(TransferProgress value) => All.Enqueue(value);
    }
}
