using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;

namespace Sluice.Web;

/// <summary>The routes of the Model Endpoints page: <c>/</c>, the addresses of its views, and its files.</summary>
/// <remarks>They need no credentials: the page asks for those that its calls need.</remarks>
public static class PageRoutes
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    // First segments of the page's own addresses; no API begins with one of them.
    private static readonly string[] Views = ["endpoints", "canaries", "registry", "audit", "playground"];

    private static ReadOnlySpan<byte> NotBuilt =>
        "The page is not part of this build of the server. Run scripts/build-web.sh (it needs Node.js and npm), then\n"u8 +
        "scripts/build.sh, and start the server again. The control API is served without it: its description is at /openapi.json.\n"u8;

    /// <summary>Creates them.</summary>
    /// <param name="about">What the page is told of the server.</param>
    public static IEnumerable<RestRoute> Create(PageAbout about) => Create(about, PageFiles.Embedded());

    internal static IEnumerable<RestRoute> Create(PageAbout about, PageFiles files)
    {
        var pages = Views.SelectMany(view => new[] { $"/{view}", $"/{view}/{{rest=**}}" }).Prepend("/");
        var told = JsonSerializer.SerializeToUtf8Bytes(about, PageJson.Default.PageAbout);
        foreach (var method in new[] { "GET", "HEAD" })
        {
            foreach (var path in pages)
                yield return Route(method, path, call => SendIndexAsync(call, files.Index));
            yield return Route(method, "/page.json", call => SendAboutAsync(call, told));
            yield return Route(method, "/assets/{file}", call => SendFileAsync(call, files.Find("/assets/" + call.Variable("file"))));
            yield return Route(method, "/favicon.svg", call => SendFileAsync(call, files.Find("/favicon.svg")));
        }
    }

    private static RestRoute Route(string method, string pattern, RestHandler send) =>
        new(method, pattern, send) { Scope = AccessScope.None, ErrorBody = ErrorBodies.Detail };

    private static ValueTask SendIndexAsync(RestCall call, PageAsset? index)
    {
        if (index is null)
        {
            call.SetHeader("Cache-Control", "no-store");
            call.SetHeader("X-Content-Type-Options", "nosniff");
            return call.SendBytesAsync(501, "text/plain; charset=utf-8", NotBuilt);
        }

        call.SetHeader("Content-Security-Policy", Policy);
        call.SetHeader("Referrer-Policy", "no-referrer");
        return SendFileAsync(call, index);
    }

    private static ValueTask SendAboutAsync(RestCall call, byte[] told)
    {
        call.SetHeader("Cache-Control", "no-store");
        return call.SendBytesAsync(200, "application/json", told);
    }

    private static ValueTask SendFileAsync(RestCall call, PageAsset? asset)
    {
        if (asset is null)
            throw new InferenceException(InferenceCode.NotFound, "Not Found");
        call.SetHeader("ETag", asset.ETag);
        call.SetHeader("Vary", "Accept-Encoding");
        call.SetHeader("X-Content-Type-Options", "nosniff");
        call.SetHeader("Cache-Control", asset.IsHashed ? "public, max-age=31536000, immutable" : "no-cache");
        if (Matches(call.Header("if-none-match"), asset.ETag))
        {
            call.SendNotModified();
            return ValueTask.CompletedTask;
        }

        var encoding = ContentCoding.Pick(call.Header("accept-encoding"), "br", "gzip");
        if (encoding is not null)
            call.SetHeader("Content-Encoding", encoding);
        return call.SendBytesAsync(200, asset.ContentType, asset.In(encoding));
    }

    /// <summary>The weak comparison of RFC 9110, 13.1.2.</summary>
    private static bool Matches(string? wanted, string tag) => wanted is not null &&
        wanted.Split(',', StringSplitOptions.TrimEntries).Any(one => one == "*" || one == tag || one == "W/" + tag);
}
