using System.Net;
using System.Security.Cryptography;
using System.Text;
using Sluice.Functional.Tests.History;
using Sluice.Inference;
using Sluice.Server.Access;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Which port serves what, and that the one table of permissions holds on all of them.</summary>
public sealed class PortAccessTests
{
    private static readonly string[] Callers = ["", "health", "metadata", "infer", "control"];

    // What is served, where, and who of the callers may: the page and metrics everybody, the rest its scope.
    private static readonly (string Method, string Path, string Ports, string Scope)[] Served =
    [
        ("GET", "/", "serve", ""), ("GET", "/endpoints/x/monitor", "serve", ""), ("GET", "/page.json", "serve", ""), ("GET", "/favicon.svg", "serve", ""),
        ("POST", "/serving.get_endpoints", "serve", "metadata"), ("GET", "/api/v2.31/serving.get_loading_instances", "serve", "metadata"),
        ("POST", "/v2.31/serving.register_container", "serve", "control"), ("GET", "/serving.register_container", "serve", "control"),
        ("GET", "/v1/metrics/endpoints", "serve", "metadata"), ("GET", "/v1/metrics/history", "serve", "metadata"),
        ("GET", "/v1/services", "serve", "control"), ("POST", "/v1/services", "serve", "control"),
        ("GET", "/openapi.json", "serve", "control"),
        ("GET", "/health/ready", "serve", "health"), ("POST", "/serve/nobody", "serve", "infer"),
        ("GET", "/v2/models/add_sub_int32", "http serve", "metadata"), ("POST", "/v2/models/add_sub_int32/infer", "http serve", "infer"),
        ("POST", "/v2/repository/index", "http serve", "metadata"), ("POST", "/v2/repository/models/add_sub_int32/load", "http serve", "control"),
        ("GET", "/v2/health/ready", "http", "health"), ("GET", "/v2/logging", "http", "control"), ("GET", "/v2/systemsharedmemory/status", "http", "control"),
        ("GET", "/metrics", "metrics exporter", ""),
    ];

    [Fact]
    public async Task EveryPort_ServesItsOwn_AndAsksWhatTheTableAsks()
    {
        await using var server = await StartAsync("");
        foreach (var (name, address) in Ports(server))
        {
            foreach (var caller in Callers)
            {
                foreach (var (method, path, ports, scope) in Served)
                {
                    var status = await CallAsync(address, method, path, caller);
                    var what = $"{method} {path} on {name} as '{caller}': {status}";
                    if (!ports.Split(' ').Contains(name))
                        Assert.True(status is 404 or 405, what);
                    else if (scope.Length == 0 || scope == caller)
                        Assert.True(status is not (401 or 403), what);
                    else
                        Assert.True(status == (caller.Length == 0 ? 401 : 403), what);
                }
            }
        }
    }

    /// <summary>A scope that is open is so on every port.</summary>
    [Fact]
    public async Task OpenScopes_AreOpen_AndNoOthers()
    {
        await using var server = await StartAsync("metadata");
        foreach (var (name, address) in Ports(server))
        {
            foreach (var (method, path, ports, scope) in Served.Where(row => row.Ports.Split(' ').Contains(name)))
                Assert.True((await CallAsync(address, method, path, "") == 401) == (scope is not ("" or "metadata")), $"{method} {path} on {name}");
        }
    }

    [Fact]
    public async Task MetricsPorts_ShowTheSamePage()
    {
        await using var server = await StartAsync("");
        using var http = new HttpClient();
        var pages = new List<string[]>();
        foreach (var address in new[] { server.Host.MetricsAddress, server.Host.ExporterAddress })
        {
            var page = await http.GetStringAsync(new Uri(address!, "/metrics"));
            Assert.Contains("nv_inference_request_success{", page, StringComparison.Ordinal);

            // The first scrape is counted for the second.
            pages.Add(
            [
                .. page.Split('\n').Where(line => line.Length > 0 && !line.StartsWith("sluice_calls_total", StringComparison.Ordinal))
                    .Select(line => line.StartsWith('#') ? line : line[..line.LastIndexOf(' ')]),
            ]);
        }

        Assert.Equal(pages[0], pages[1]);
    }

    /// <summary>What the page reads by HTTP is held to the same by gRPC.</summary>
    [Fact]
    public async Task GrpcPort_AsksTheSameOfThePagesMethods()
    {
        await using var server = await StartAsync("");
        using var http = new HttpClient(new SocketsHttpHandler()) { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        foreach (var (method, scope) in new[] { ("sluice.metrics.v1.EndpointMetrics/ListServedEndpoints", "metadata"), ("sluice.control.v1.Services/ListServices", "control") })
        {
            foreach (var caller in Callers)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Host.GrpcAddress!, "/" + method))
                {
                    Version = HttpVersion.Version20,
                    VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                    Content = new ByteArrayContent(new byte[5]),
                };
                request.Content.Headers.ContentType = new("application/grpc");
                request.Headers.TE.Add(new("trailers"));
                if (caller.Length > 0)
                    request.Headers.Authorization = new("Bearer", "key-of-" + caller);
                using var response = await http.SendAsync(request);
                await response.Content.ReadAsByteArrayAsync();
                var values = response.Headers.TryGetValues("grpc-status", out var head) ? head : response.TrailingHeaders.GetValues("grpc-status");
                var expected = caller == scope ? InferenceCode.Ok : caller.Length == 0 ? InferenceCode.Unauthenticated : InferenceCode.PermissionDenied;
                Assert.Equal(((int)expected).ToString(System.Globalization.CultureInfo.InvariantCulture), values.Single());
            }
        }
    }

    private static IEnumerable<(string Name, Uri Address)> Ports(HistoryServer server) =>
    [
        ("http", server.Host.HttpAddress!), ("serve", server.Host.ServeAddress!), ("metrics", server.Host.MetricsAddress!),
        ("exporter", server.Host.ExporterAddress!),
    ];

    private static Task<HistoryServer> StartAsync(string open) => HistoryServer.StartAsync(
        change: options =>
        {
            var file = Path.Combine(Path.GetDirectoryName(options.ModelRepositories[0])!, "keys");
            File.WriteAllLines(file, Callers.Where(scope => scope.Length > 0).Select(scope =>
                $"{scope}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("key-of-" + scope)))}:{scope}"));
            return options with
            {
                Auth = new AuthOptions { ApiKeysPath = file, OpenScopes = CallerIdentity.Single(open) },
                Statistics = options.Statistics with { Port = 0 },
            };
        },
        models: "add_sub_int32");

    private static async Task<int> CallAsync(Uri address, string method, string path, string caller)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(address, path));
        if (caller.Length > 0)
            request.Headers.Authorization = new("Bearer", "key-of-" + caller);
        if (method == "POST")
            request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request);
        return (int)response.StatusCode;
    }
}
