using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Sluice.Web.Tests;

public sealed class PageRouteTests(PageServer server) : IClassFixture<PageServer>
{
    [Theory]
    [InlineData("/")]
    [InlineData("/?sort=uptime:desc")]
    [InlineData("/endpoints/active")]
    [InlineData("/endpoints/active/6ba7b811-9dad-11d1-80b4-00c04fd430c8/monitor")]
    [InlineData("/canaries")]
    [InlineData("/registry/models/ab%2Fc")]
    [InlineData("/audit")]
    [InlineData("/playground/x")]
    public async Task Get_AddressOfAView_IsThePage(string path)
    {
        var (head, body) = await server.GetAsync(path);

        Assert.Equal(200, (int)head.StatusCode);
        Assert.Equal("text/html; charset=utf-8", head.Content.Headers.ContentType!.ToString());
        Assert.Equal(PageServer.Index, Encoding.UTF8.GetString(body));
        Assert.Equal("no-cache", head.Headers.CacheControl!.ToString());
        var policy = Assert.Single(head.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.Equal(["nosniff"], head.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(["no-referrer"], head.Headers.GetValues("Referrer-Policy"));
    }

    [Theory]
    [InlineData("/v1/services", "an API's own words")]
    [InlineData("/v1/nothing", "Not Found")]
    [InlineData("/v2/models", "Not Found")]
    [InlineData("/serving.nothing", "Not Found")]
    [InlineData("/metrics", "Not Found")]
    [InlineData("/openapi.json", "Not Found")]
    [InlineData("/endpoint", "Not Found")]
    [InlineData("/index.html", "Not Found")]
    [InlineData("/assets/nothing.js", "Not Found")]
    [InlineData("/assets/..%2Findex.html", "Not Found")]
    public async Task Get_WhatIsNoAddressOfThePage_StaysNotFound(string path, string message)
    {
        var (head, body) = await server.GetAsync(path, ("Accept", "text/html"));

        Assert.Equal(404, (int)head.StatusCode);
        Assert.Equal("application/json", head.Content.Headers.ContentType!.MediaType);
        Assert.Contains(message, JsonDocument.Parse(body).RootElement.EnumerateObject().Single().Value.GetString());
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("identity", null)]
    [InlineData("gzip", "gzip")]
    [InlineData("gzip, deflate, br, zstd", "br")]
    [InlineData("br;q=0.1, gzip;q=0.9", "gzip")]
    [InlineData("br;q=0, gzip;q=0", null)]
    [InlineData("BR", "br")]
    public async Task Get_AFile_ComesAsTheClientAccepts(string? accepted, string? expected)
    {
        var (head, body) = await server.GetAsync(PageServer.Script, accepted is null ? [] : [("Accept-Encoding", accepted)]);

        Assert.Equal(200, (int)head.StatusCode);
        Assert.Equal(expected, head.Content.Headers.ContentEncoding.SingleOrDefault());
        Assert.Equal(body.Length, head.Content.Headers.ContentLength);
        Assert.Equal("text/javascript; charset=utf-8", head.Content.Headers.ContentType!.ToString());
        Assert.Equal(["Accept-Encoding"], head.Headers.Vary);
        Assert.Equal("public, max-age=31536000, immutable", string.Join(", ", head.Headers.GetValues("Cache-Control")));
        Assert.Equal(PageServer.ScriptText, Decompress(body, expected));
    }

    [Theory]
    [InlineData("{0}", 304)]
    [InlineData("W/{0}", 304)]
    [InlineData("\"other\", {0}", 304)]
    [InlineData("*", 304)]
    [InlineData("\"other\"", 200)]
    public async Task Get_AFileThatTheClientHas_IsNotSentAgain(string condition, int status)
    {
        var (first, _) = await server.GetAsync("/");
        var (second, body) = await server.GetAsync("/", ("If-None-Match", condition.Replace("{0}", first.Headers.ETag!.Tag)));

        Assert.Equal(status, (int)second.StatusCode);
        Assert.Equal(first.Headers.ETag, second.Headers.ETag);
        Assert.Equal(status == 200, body.Length > 0);
        Assert.True(second.Headers.Contains("Content-Security-Policy"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData(PageServer.Script)]
    public async Task Head_IsTheGetWithoutABody(string path)
    {
        var (get, body) = await server.GetAsync(path);
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var head = await server.Built.SendAsync(request);

        Assert.Equal(200, (int)head.StatusCode);
        Assert.Equal(body.Length, head.Content.Headers.ContentLength);
        Assert.Equal(get.Headers.ETag, head.Headers.ETag);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Post_ToThePage_IsNotAllowed()
    {
        using var response = await server.Built.PostAsync("/", new StringContent(""));

        Assert.Equal(405, (int)response.StatusCode);
        Assert.Equal(["GET", "HEAD"], response.Content.Headers.Allow);
    }

    [Fact]
    public async Task Get_About_TellsOfTheServer()
    {
        var (head, body) = await server.GetAsync("/page.json");

        Assert.Equal("no-store", head.Headers.CacheControl!.ToString());
        Assert.Equal(
            """{"version":"1.2.3","asks_for_credentials":true,"serve_path":"/serve","has_models":false}""", Encoding.UTF8.GetString(body));
    }

    [Fact]
    public async Task Get_PageThatWasNotBuilt_SaysHowToBuildIt()
    {
        using var response = await server.NotBuilt.GetAsync("/endpoints/active");
        var text = await response.Content.ReadAsStringAsync();

        Assert.Equal(501, (int)response.StatusCode);
        Assert.Equal("text/plain", response.Content.Headers.ContentType!.MediaType);
        Assert.Contains("scripts/build-web.sh", text);
        Assert.Contains("/openapi.json", text);
    }

    private static string Decompress(byte[] body, string? encoding)
    {
        using var source = new MemoryStream(body);
        using Stream stream = encoding switch
        {
            "br" => new BrotliStream(source, CompressionMode.Decompress),
            "gzip" => new GZipStream(source, CompressionMode.Decompress),
            _ => source,
        };
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
