using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;
using Sluice.Rest.Calls;
using Sluice.Rest.Tests.Fakes;

namespace Sluice.Rest.Tests;

public sealed class BodyTests(RestFixture server) : IClassFixture<RestFixture>
{
    private const string Small =
        """{"inputs":[{"name":"IN_INT32","shape":[2],"datatype":"INT32","data":[1,2]}]}""";

    private const string Path = "/v2/models/echo/infer";

    private static string Large => Small.Replace("[1,2]", "[1,2" + new string(' ', 200_000) + "]", StringComparison.Ordinal);

    [Theory]
    [InlineData("gzip", false)]
    [InlineData("gzip", true)]
    [InlineData("deflate", true)]
    public async Task Infer_CompressedBody_IsRead(string encoding, bool isLarge)
    {
        using var content = Encoded(Compress(isLarge ? Large : Small, encoding), encoding);

        var (status, text) = await server.PostAsync(Path, content);

        Assert.Equal(200, status);
        Assert.Contains("\"data\":[1,2]", text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("identity")]
    public async Task Infer_EncodingThatIsNone_IsPlain(string encoding)
    {
        await using var stream = await server.ConnectAsync();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {Path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: {encoding}\r\nContent-Length: {Small.Length}\r\n\r\n{Small}"));

        using var reader = new StreamReader(stream);
        Assert.StartsWith("HTTP/1.1 200", await reader.ReadToEndAsync());
    }

    [Fact]
    public async Task Infer_UnknownEncoding_SaysWhichOnesThereAre()
    {
        using var content = Encoded([1, 2, 3], "br");
        using var response = await server.Client.PostAsync(Path, content);

        Assert.Equal(501, (int)response.StatusCode);
        Assert.Equal("gzip, deflate", string.Join(", ", response.Headers.GetValues("Accept-Encoding")));
        Assert.Contains("'br' is not supported", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Infer_DecompressionBomb_StopsAtTheLimit()
    {
        var bomb = Compress(new string(' ', 50 * RestFixture.MaxInputBytes), "gzip");
        Assert.True(bomb.Length < RestFixture.MaxInputBytes);
        using var content = Encoded(bomb, "gzip");

        var (status, text) = await server.PostAsync(Path, content);

        Assert.Equal(400, status);
        Assert.Contains("--http-max-input-size", text);
        Assert.Equal(0, server.RentedBytes);
    }

    [Fact]
    public async Task Infer_BrokenCompression_IsRefused()
    {
        using var content = Encoded([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 255, 255, 255], "gzip");

        var (status, _) = await server.PostAsync(Path, content);

        Assert.Equal(400, status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Infer_BodyPastTheLimit_NamesTheFlag(bool isChunked)
    {
        using var content = new ByteArrayContent(new byte[RestFixture.MaxInputBytes + 1]);
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = content };
        request.Headers.TransferEncodingChunked = isChunked;
        using var response = await server.Client.SendAsync(request);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("Use --http-max-input-size to increase the limit", await response.Content.ReadAsStringAsync());
        Assert.Equal(0, server.RentedBytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Infer_ChunkedBody_IsRead(bool isLarge)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(isLarge ? Large : Small) };
        request.Headers.TransferEncodingChunked = true;
        using var response = await server.Client.SendAsync(request);

        Assert.Contains("\"data\":[1,2]", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("gzip, deflate", "gzip")]
    [InlineData("deflate, gzip;q=0.5", "deflate")]
    [InlineData("br", null)]
    public async Task Infer_AcceptedEncoding_IsUsed(string accepted, string? expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Small) };
        request.Headers.TryAddWithoutValidation("Accept-Encoding", accepted);
        using var response = await server.Client.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();

        Assert.Equal(expected, response.Content.Headers.ContentEncoding.SingleOrDefault());
        Assert.Contains("\"data\":[1,2]", Encoding.UTF8.GetString(Decompress(body, expected)));
    }

    [Theory]
    [InlineData("GET", "/v2/models/echo")]
    [InlineData("GET", "/v2/models/echo/config")]
    public async Task Metadata_AcceptedEncoding_IsNotUsed(string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "gzip, deflate");
        using var response = await server.Client.SendAsync(request);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Empty(response.Content.Headers.ContentEncoding);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("identity", null)]
    [InlineData("deflate;q=0", null)]
    [InlineData("gzip;q=0.5, identity", null)]
    [InlineData("GZIP;Q=1.0", "gzip")]
    [InlineData("deflate;q=0.8, gzip;q=0.8", "gzip")]
    [InlineData("gzip;q=nonsense, deflate;q=0.1", "deflate")]
    public void Negotiate_Weights_PickTheHeaviest(string? accepted, string? expected) =>
        Assert.Equal(expected, ContentCoding.Negotiate(accepted));

    private static ByteArrayContent Encoded(byte[] bytes, string encoding)
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add(encoding);
        return content;
    }

    private static byte[] Compress(string text, string encoding)
    {
        using var target = new MemoryStream();
        using (Stream stream = encoding == "gzip"
            ? new GZipStream(target, CompressionLevel.Fastest)
            : new ZLibStream(target, CompressionLevel.Fastest))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
        }

        return target.ToArray();
    }

    private static byte[] Decompress(byte[] bytes, string? encoding)
    {
        if (encoding is null)
            return bytes;
        using var source = new MemoryStream(bytes);
        using Stream stream = encoding == "gzip"
            ? new GZipStream(source, CompressionMode.Decompress)
            : new ZLibStream(source, CompressionMode.Decompress);
        using var target = new MemoryStream();
        stream.CopyTo(target);
        return target.ToArray();
    }
}
