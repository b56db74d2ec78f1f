using System.Net;
using System.Net.Http.Headers;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Files of web servers, to be read only. A password may stand in the address.</summary>
internal sealed class HttpStore : IObjectStore, IDisposable
{
    private const string Credentials = "the address";

    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = TimeSpan.FromMinutes(2),
    };

    public async Task<ObjectHead> HeadAsync(ArtifactUri uri, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, Address(uri));
        using var response = await SendAsync(uri, request, mayRefuse: true, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            return new ObjectHead(-1, "");
        var changed = response.Content.Headers.LastModified?.UtcTicks.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        return new ObjectHead(response.Content.Headers.ContentLength ?? -1, response.Headers.ETag?.Tag ?? changed ?? "");
    }

    public async Task<Stream> OpenReadAsync(ArtifactUri uri, long offset, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Address(uri));
        if (offset > 0)
            request.Headers.Range = new RangeHeaderValue(offset, null);
        var response = await SendAsync(uri, request, mayRefuse: false, cancellationToken).ConfigureAwait(false);
        try
        {
            var body = new ResponseBody(response, await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));

            // A server may answer a question for a part with the whole.
            if (offset > 0 && response.StatusCode != HttpStatusCode.PartialContent)
                await SkipAsync(body, offset, cancellationToken).ConfigureAwait(false);
            return body;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    public Task<ObjectWriter> BeginWriteAsync(ArtifactUri uri, CancellationToken cancellationToken) =>
        throw InferenceException.Invalid($"'{uri.Text}' cannot be written: web servers are only read; use a folder, s3://, gs:// or azure://");

    public Task DeleteAsync(ArtifactUri uri, CancellationToken cancellationToken) =>
        throw InferenceException.Invalid($"'{uri.Text}' cannot be removed: web servers are only read");

    public void Dispose() => _http.Dispose();

    private static Uri Address(ArtifactUri uri) => Uri.TryCreate(uri.Text, UriKind.Absolute, out var address)
        ? address
        : throw InferenceException.Invalid($"'{uri.Text}' is no address of a web server");

    private static async Task SkipAsync(Stream body, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        while (count > 0)
        {
            var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(count, buffer.Length)), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw new IOException("the file is shorter than what was fetched before");
            count -= read;
        }
    }

    private async Task<HttpResponseMessage> SendAsync(
        ArtifactUri uri, HttpRequestMessage request, bool mayRefuse, CancellationToken cancellationToken)
    {
        if (request.RequestUri!.UserInfo is { Length: > 0 } user)
        {
            var text = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(Uri.UnescapeDataString(user)));
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", text);
        }

        try
        {
            var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (response.IsSuccessStatusCode ||
                (mayRefuse && response.StatusCode is HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented or HttpStatusCode.Forbidden))
                return response;
            using (response)
                throw StoreFaults.FromStatus(uri, response.StatusCode, response.ReasonPhrase ?? "", Credentials);
        }
        catch (Exception error) when (StoreFaults.FromTransport(uri, error, cancellationToken) is { } fault)
        {
            throw fault;
        }
    }
}
