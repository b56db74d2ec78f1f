using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Tensors;

namespace Sluice.Web.Tests;

/// <summary>A port with an API and a page of a few files.</summary>
public sealed class PageServer : IAsyncLifetime, IDisposable
{
    public const string Index = "<!doctype html><title>page</title>";
    public const string Script = "/assets/main-1A2B.js";

    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions());
    private readonly List<RestServer> _servers = [];

    /// <summary>A file that is long enough to be sent in pieces.</summary>
    public static string ScriptText { get; } = string.Concat(Enumerable.Repeat("console.log('x');\n", 30_000));

    public HttpClient Built { get; private set; } = null!;

    public HttpClient NotBuilt { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var files = new Dictionary<string, byte[]>();
        Add(files, "/index.html", Index);
        Add(files, Script, ScriptText);
        Add(files, "/favicon.svg", "<svg/>");
        Built = await StartAsync(new PageFiles(files));
        NotBuilt = await StartAsync(new PageFiles(new Dictionary<string, byte[]>()));
    }

    public async Task DisposeAsync()
    {
        Built.Dispose();
        NotBuilt.Dispose();
        foreach (var server in _servers)
        {
            await server.StopAsync(CancellationToken.None);
            await server.DisposeAsync();
        }

        Assert.Equal(0, _pool.RentedBytes);
    }

    public void Dispose() => _pool.Dispose();

    /// <summary>Asks for a path with headers; nothing is decompressed.</summary>
    public async Task<(HttpResponseMessage Head, byte[] Body)> GetAsync(string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        var response = await Built.SendAsync(request);
        return (response, await response.Content.ReadAsByteArrayAsync());
    }

    private static void Add(Dictionary<string, byte[]> files, string path, string text)
    {
        files[path] = Encoding.UTF8.GetBytes(text);
        files[path + ".gz"] = Compress(files[path], target => new GZipStream(target, CompressionLevel.Fastest));
        files[path + ".br"] = Compress(files[path], target => new BrotliStream(target, CompressionLevel.Fastest));
    }

    private static byte[] Compress(byte[] bytes, Func<Stream, Stream> open)
    {
        using var target = new MemoryStream();
        using (var stream = open(target))
            stream.Write(bytes);
        return target.ToArray();
    }

    private async Task<HttpClient> StartAsync(PageFiles files)
    {
        var api = new RestRoute("GET", "/v1/services", call =>
        {
            call.SendError(404, "an API's own words");
            return ValueTask.CompletedTask;
        });
        var about = new PageAbout("1.2.3", AsksForCredentials: true, "/serve", HasModels: false);
        var server = new RestServer(
            new RestListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0) },
            new RestRouter([api, .. PageRoutes.Create(about, files)], ErrorBodies.Detail), _pool, NullLoggerFactory.Instance);
        _servers.Add(server);
        await server.StartAsync(CancellationToken.None);
        return new HttpClient { BaseAddress = server.Addresses[0] };
    }
}
