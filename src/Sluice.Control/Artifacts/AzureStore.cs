using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Blobs of Azure over its REST interface: <c>azure://account.blob.core.windows.net/container/blob</c>, and
/// <c>azure://host:port/account/container/blob</c> for servers that have the account in the path.</summary>
internal sealed class AzureStore(Func<string, string?> settings, TimeProvider time) : IObjectStore, IDisposable
{
    private const int Attempts = 3;

    private readonly Lazy<AzureSigner> _signer = new(() => new AzureSigner(settings));
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = TimeSpan.FromMinutes(10),
    };

    public async Task<ObjectHead> HeadAsync(ArtifactUri uri, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(uri, "", () => new HttpRequestMessage(HttpMethod.Head, (Uri?)null), cancellationToken)
            .ConfigureAwait(false);
        return new ObjectHead(response.Content.Headers.ContentLength ?? -1, response.Headers.ETag?.Tag ?? "");
    }

    public async Task<Stream> OpenReadAsync(ArtifactUri uri, long offset, CancellationToken cancellationToken)
    {
        var response = await SendAsync(
            uri, "",
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, (Uri?)null);
                if (offset > 0)
                    request.Headers.Add("x-ms-range", string.Create(CultureInfo.InvariantCulture, $"bytes={offset}-"));
                return request;
            },
            cancellationToken).ConfigureAwait(false);
        return new ResponseBody(response, await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));
    }

    public Task<ObjectWriter> BeginWriteAsync(ArtifactUri uri, CancellationToken cancellationToken) =>
        Task.FromResult<ObjectWriter>(new Writer(this, uri));

    public async Task DeleteAsync(ArtifactUri uri, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await SendAsync(uri, "", () => new HttpRequestMessage(HttpMethod.Delete, (Uri?)null), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (InferenceException error) when (error.Code == InferenceCode.NotFound)
        {
            // It is gone, as was asked for.
        }
    }

    public void Dispose() => _http.Dispose();

    private static (Uri Address, string Account) Locate(ArtifactUri uri, string query)
    {
        var path = string.Join('/', uri.Path.Split('/').Select(Uri.EscapeDataString));
        var hasPort = uri.Authority.Contains(':', StringComparison.Ordinal);
        var least = hasPort ? 3 : 2;
        if (uri.Path.Split('/', StringSplitOptions.RemoveEmptyEntries).Length < least)
            throw InferenceException.Invalid(
                $"'{uri.Text}' names no blob; use azure://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB or azure://HOST:PORT/ACCOUNT/CONTAINER/BLOB");
        var scheme = hasPort && !uri.Authority.EndsWith(":443", StringComparison.Ordinal) ? "http" : "https";
        var account = hasPort ? uri.Path.Split('/')[0] : uri.Authority.Split('.')[0];
        return (new Uri($"{scheme}://{uri.Authority}/{path}{query}"), account);
    }

    private async Task<HttpResponseMessage> SendAsync(
        ArtifactUri uri, string query, Func<HttpRequestMessage> create, CancellationToken cancellationToken)
    {
        var (address, account) = Locate(uri, query);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var request = create();
                request.RequestUri = address;
                _signer.Value.Sign(request, account, time.GetUtcNow());
                var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                    .ConfigureAwait(false);
                if (response.IsSuccessStatusCode)
                    return response;
                throw await FaultAsync(uri, response, cancellationToken).ConfigureAwait(false);
            }
            catch (InferenceException error) when (error.Code == InferenceCode.Unavailable && attempt < Attempts)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200 * attempt), time, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (StoreFaults.FromTransport(uri, error, cancellationToken) is { } fault)
            {
                if (attempt >= Attempts)
                    throw fault;
                await Task.Delay(TimeSpan.FromMilliseconds(200 * attempt), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task<InferenceException> FaultAsync(
        ArtifactUri uri, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using (response)
        {
            var code = response.Headers.TryGetValues("x-ms-error-code", out var codes) ? codes.First() : response.ReasonPhrase ?? "";

            // A container that is not there answers a write with 404 too, and nobody can make it by uploading again.
            await response.Content.LoadIntoBufferAsync(64 * 1024, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return StoreFaults.FromStatus(uri, response.StatusCode, code, AzureSigner.Settings);
        }
    }

    /// <summary>Blocks are not a blob before their list is written; those that never are go by themselves.</summary>
    private sealed class Writer(AzureStore store, ArtifactUri uri) : ObjectWriter
    {
        private readonly PartBuffer _buffer = new(mostParts: 50_000);
        private readonly List<string> _blocks = [];
        private readonly string _upload = Guid.NewGuid().ToString("n");

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            while (!(bytes = _buffer.Add(bytes)).IsEmpty || _buffer.IsFull)
                await SendBlockAsync(cancellationToken).ConfigureAwait(false);
        }

        public override async Task CommitAsync(CancellationToken cancellationToken)
        {
            if (_buffer.Length > 0)
                await SendBlockAsync(cancellationToken).ConfigureAwait(false);
            var list = new StringBuilder("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
            foreach (var block in _blocks)
                list.Append(CultureInfo.InvariantCulture, $"<Uncommitted>{block}</Uncommitted>");
            list.Append("</BlockList>");
            var body = Encoding.UTF8.GetBytes(list.ToString());
            await PutAsync("?comp=blocklist", body, cancellationToken).ConfigureAwait(false);
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task SendBlockAsync(CancellationToken cancellationToken)
        {
            var name = Convert.ToBase64String(Encoding.ASCII.GetBytes($"{_upload}{_blocks.Count:d6}"));
            await PutAsync($"?comp=block&blockid={Uri.EscapeDataString(name)}", _buffer.Part, cancellationToken).ConfigureAwait(false);
            _blocks.Add(name);
            _buffer.Next();
        }

        private async Task PutAsync(string query, ArraySegment<byte> body, CancellationToken cancellationToken)
        {
#pragma warning disable CA5351 // The protocol's checksum against damage on the way, not against anybody.
            var md5 = MD5.HashData(body);
#pragma warning restore CA5351
            using var response = await store.SendAsync(
                uri, query,
                () =>
                {
                    var content = new ByteArrayContent(body.Array!, body.Offset, body.Count);
                    content.Headers.ContentMD5 = md5;
                    content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
                    return new HttpRequestMessage(HttpMethod.Put, (Uri?)null) { Content = content };
                },
                cancellationToken).ConfigureAwait(false);
        }
    }
}
