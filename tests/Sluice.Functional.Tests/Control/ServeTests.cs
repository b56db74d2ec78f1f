using System.IO.Compression;
using System.Net.Http.Headers;
using System.Text;

namespace Sluice.Functional.Tests.Control;

/// <summary><c>POST /serve/…</c> as spec clearml §3.1–3.3 has it, with an ONNX endpoint that has no code.</summary>
public sealed class ServeTests : IAsyncLifetime
{
    private const string Request = """{"INPUT0": [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]], "INPUT1": [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]}""";

    private ControlledServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ControlledServer.StartAsync();
        await _server.CreateServiceAsync();
        var model = await _server.UploadAsync("add_sub_int32");
        await _server.AddAsync("sums", "1", model);
        await _server.AddAsync("plain", "", model);
        await _server.AddAsync("newest", "9", model, "--latest");
        await _server.AddAsync("newest", "10", model, "--latest");
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [InlineData("sums/1", 200)]
    [InlineData("sums/1/", 200)]
    [InlineData("sums?version=1", 200)]
    [InlineData("sums/?version=1", 200)]
    [InlineData("plain", 200)]
    [InlineData("plain/", 200)]
    [InlineData("newest", 200)]
    [InlineData("newest/9", 200)]
    [InlineData("sums", 404)]
    [InlineData("sums/2", 404)]
    [InlineData("sums?version=2", 404)]
    [InlineData("plain/1", 404)]
    [InlineData("nothing", 404)]
    public async Task Name_IsFound_AsItIsWritten(string path, int expected)
    {
        var (status, body) = await _server.ServeAsync(path, Request);
        Assert.True(status == expected, $"{status}: {body}");
        if (expected == 200)
            Assert.Equal("[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]]", body.GetProperty("OUTPUT0").GetRawText());
        else
            Assert.Contains($"'{path.Split('?')[0].Trim('/')}", body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task OtherVerbs_AreNotAllowed(string method)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/serve/sums/1");
        using var response = await _server.Http.SendAsync(request);
        Assert.Equal(405, (int)response.StatusCode);
        Assert.Equal("{\"detail\":\"Method Not Allowed\"}", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("[1, 2]", "application/json", "\"type\":\"dict_type\"")]
    [InlineData("{\"INPUT0\": ", "application/json", "\"type\":\"json_invalid\"")]
    [InlineData("\"text\"", "application/json", "send a JSON object that names its inputs (INPUT0, INPUT1)")]
    [InlineData("raw", "application/octet-stream", "send a JSON object that names its inputs")]
    [InlineData("", "application/json", "expected 2 inputs but got 0 inputs for model 'sums_1'")]
    [InlineData("{}", "application/json", "expected 2 inputs but got 0 inputs for model 'sums_1'")]
    [InlineData("{\"INPUT0\": [1], \"x\": 2}", "application/json", "has no input 'x'; its inputs are: 'INPUT0', 'INPUT1'")]
    [InlineData("{\"INPUT0\": [[1], [1, 2]]}", "application/json", "different lengths or depths")]
    [InlineData("{\"INPUT0\": [1.5]}", "application/json", "is no value of type INT32")]
    public async Task WrongBodies_AreUnprocessable_WithADetail(string body, string type, string detail)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        using var response = await _server.Http.PostAsync("/serve/sums/1", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == 422, $"{response.StatusCode}: {text}");
        Assert.StartsWith("{\"detail\":", text, StringComparison.Ordinal);
        Assert.Contains(detail, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GzipBody_IsUnpacked_AndABombIsNot()
    {
        Assert.Equal(200, (await _server.ServeAsync("sums/1", Gzip(Encoding.UTF8.GetBytes(Request)))).Status);
        var (status, body) = await _server.ServeAsync("sums/1", Gzip(new byte[64 * 1024 * 1024]));
        Assert.Equal(413, status);
        Assert.Contains("exceeds the maximum allowed input size", body.GetProperty("detail").GetString(), StringComparison.Ordinal);
        using var broken = new ByteArrayContent([1, 2, 3]);
        broken.Headers.ContentEncoding.Add("gzip");
        Assert.Equal(422, (await _server.ServeAsync("sums/1", broken)).Status);
        using var unknown = new ByteArrayContent([1, 2, 3]);
        unknown.Headers.ContentEncoding.Add("br");
        Assert.Equal(415, (await _server.ServeAsync("sums/1", unknown)).Status);
    }

    [Fact]
    public async Task LargeBody_IsRefused_BeforeItIsRead() =>
        Assert.Equal(413, (await _server.ServeAsync("sums/1", new string(' ', 5 * 1024 * 1024))).Status);

    [Fact]
    public async Task BodyWithoutAType_IsJson()
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(Request));
        Assert.Equal(200, (await _server.ServeAsync("sums/1", content)).Status);
    }

    [Theory]
    [InlineData("/health", 200)]
    [InlineData("/health/live", 200)]
    [InlineData("/health/ready", 200)]
    [InlineData("/health/endpoints/sums/1", 200)]
    [InlineData("/health/endpoints/newest", 200)]
    [InlineData("/health/endpoints/sums", 404)]
    [InlineData("/nothing", 404)]
    public async Task Health_OfServerAndEndpoints_IsToldApart(string path, int expected)
    {
        using var response = await _server.Http.GetAsync(path);
        Assert.Equal(expected, (int)response.StatusCode);
    }

    private static ByteArrayContent Gzip(byte[] bytes)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest))
            gzip.Write(bytes);
        var content = new ByteArrayContent(target.ToArray());
        content.Headers.ContentEncoding.Add("gzip");
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }
}
