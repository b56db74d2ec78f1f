using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Sluice.Conformance.Tests.Infrastructure;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Calls that succeed over HTTP: routes, JSON, the binary extension, generate (spec §2).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class HttpTests(ConformanceTarget target)
{
    private const string HeaderLength = "Inference-Header-Content-Length";

    [Theory]
    [InlineData("/v2/health/live")]
    [InlineData("/v2/health/ready")]
    [InlineData("/v2/models/simple/ready")]
    [InlineData("/v2/models/simple/versions/1/ready")]
    public async Task S2_1_Health_IsEmptyAnd200(string path)
    {
        var answer = await target.GetAsync(path);
        Assert.Equal((200, ""), (answer.Status, answer.Text));
    }

    [Theory]
    [InlineData("/v2/models/nobody/ready")]
    [InlineData("/v2/models/spare/ready")]
    [InlineData("/v2/models/simple/versions/7/ready")]
    public async Task S0_17_NotReady_Is400(string path) => Assert.Equal(400, (await target.GetAsync(path)).Status);

    [Fact]
    public async Task S2_3_Json_FlatAndNestedData_ComeBackAsJson()
    {
        foreach (var data in new[] { "[1,2,3,4]", "[[1,2],[3,4]]" })
        {
            var answer = await target.PostAsync(
                "/v2/models/plain/infer", $$$"""{"id":"5","inputs":[{"name":"INPUT0","shape":[2,2],"datatype":"INT32","data":{{{data}}}}]}""");
            Assert.Equal((200, "application/json"), (answer.Status, answer.Headers["Content-Type"]));
            Assert.False(answer.Headers.ContainsKey(HeaderLength));
            Assert.Equal(("5", "plain", "1"), (Text(answer.Json, "id"), Text(answer.Json, "model_name"), Text(answer.Json, "model_version")));
            var output = Assert.Single(answer.Json.GetProperty("outputs").EnumerateArray());
            Assert.Equal(("OUTPUT0", "INT32", "[2,2]"), (Text(output, "name"), Text(output, "datatype"), Raw(output, "shape")));
            Assert.Equal("[1,2,3,4]", Raw(output, "data"));
        }
    }

    [Fact]
    public async Task S2_3_Id_Absent_IsAbsentInTheResponse()
    {
        var answer = await target.PostAsync("/v2/models/plain/infer", """{"inputs":[{"name":"INPUT0","shape":[2,1],"datatype":"INT32","data":[1,2]}]}""");
        Assert.False(answer.Json.TryGetProperty("id", out _));
    }

    [Theory]
    [InlineData("""{"binary_data":true}""", true)]
    [InlineData("""{"binary_data":false}""", false)]
    [InlineData(null, true)]
    public async Task S2_3_Binary_InAndOut_AsAsked(string? parameters, bool isBinary)
    {
        var outputs = parameters is null ? "" : $",\"outputs\":[{{\"name\":\"OUTPUT0\",\"parameters\":{parameters}}}]";
        var raw = Bytes<int>(1, 2, 3, 4);
        var answer = await SendBinaryAsync(
            "plain",
            "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"INPUT0\",\"shape\":[2,2],\"datatype\":\"INT32\"," +
            "\"parameters\":{\"binary_data_size\":16}}]" + outputs + "}",
            raw);
        Assert.Equal(200, answer.Status);
        if (!isBinary)
        {
            Assert.Equal("[1,2,3,4]", Raw(answer.Json.GetProperty("outputs")[0], "data"));
            return;
        }

        Assert.Equal("application/octet-stream", answer.Headers["Content-Type"]);
        var (head, tail) = Split(answer);
        Assert.Equal(16, head.GetProperty("outputs")[0].GetProperty("parameters").GetProperty("binary_data_size").GetInt32());
        Assert.Equal(raw, tail);
    }

    [Fact]
    public async Task S0_18_HeaderLengthZero_IsARawRequest()
    {
        var answer = await target.SendAsync(HttpMethod.Post, "/v2/models/batched/infer", Bytes<float>(1, 2, 3), (HeaderLength, "0"));
        Assert.Equal(200, answer.Status);
        var (head, tail) = Split(answer);
        Assert.Equal("[1,3]", Raw(head.GetProperty("outputs")[0], "shape"));
        Assert.Equal(Bytes<float>(1, 2, 3), tail);
    }

    [Fact]
    public async Task S2_3_Fp16_TravelsInTheBinaryPartOnly()
    {
        const string Inputs = """{"inputs":[{"name":"INPUT9","shape":[2],"datatype":"FP16","parameters":{"binary_data_size":4}}],"outputs":[{"name":"OUTPUT9","parameters":{"binary_data":B}}]}""";
        var (_, tail) = Split(await SendBinaryAsync("types", Inputs.Replace("B", "true", StringComparison.Ordinal), [0, 0x3C, 0, 0xC0]));
        Assert.Equal([0, 0x3C, 0, 0xC0], tail);
        var refused = await SendBinaryAsync("types", Inputs.Replace("B", "false", StringComparison.Ordinal), [0, 0x3C, 0, 0xC0]);
        Assert.Equal(400, refused.Status);
        Expected.Text("sending FP16 data via JSON is not supported. Please use the binary data format for output 'OUTPUT9'", refused.Error);
    }

    [Fact]
    public async Task S2_3_Classification_OverHttp()
    {
        var answer = await target.PostAsync(
            "/v2/models/classes/infer",
            """{"inputs":[{"name":"INPUT0","shape":[1,3],"datatype":"FP32","data":[0.25,0.75,-1]}],"outputs":[{"name":"OUTPUT0","parameters":{"classification":2}}]}""");
        var output = answer.Json.GetProperty("outputs")[0];
        Assert.Equal(("BYTES", "[1,2]"), (Text(output, "datatype"), Raw(output, "shape")));
        Assert.Equal("""["0.750000:1:b","0.250000:0:a"]""", Raw(output, "data"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task S2_3_Compression_BothWays(string encoding)
    {
        var body = Encoding.UTF8.GetBytes("""{"inputs":[{"name":"INPUT0","shape":[2,1],"datatype":"INT32","data":[1,2]}]}""");
        using var packed = new MemoryStream();
        using (Stream pack = encoding == "gzip" ? new GZipStream(packed, CompressionMode.Compress, leaveOpen: true) : new ZLibStream(packed, CompressionMode.Compress, leaveOpen: true))
            pack.Write(body);
        var answer = await target.SendAsync(
            HttpMethod.Post, "/v2/models/plain/infer", packed.ToArray(), ("Content-Encoding", encoding), ("Accept-Encoding", encoding));
        Assert.Equal((200, encoding), (answer.Status, answer.Headers["Content-Encoding"]));
        using var unpacked = new MemoryStream();
        using (Stream unpack = encoding == "gzip" ? new GZipStream(new MemoryStream(answer.Body), CompressionMode.Decompress) : new ZLibStream(new MemoryStream(answer.Body), CompressionMode.Decompress))
            unpack.CopyTo(unpacked);
        Assert.Equal("[1,2]", Raw(JsonDocument.Parse(unpacked.ToArray()).RootElement.GetProperty("outputs")[0], "data"));
    }

    [Fact]
    public async Task S2_4_Generate_ScalarsAndLists_ComeBackFlat()
    {
        var answer = await target.PostAsync("/v2/models/optional/generate", """{"id":"9","INPUT0":[1,2],"INPUT1":[3,4],"other":1}""");
        Assert.Equal((200, "application/json"), (answer.Status, answer.Headers["Content-Type"]));
        Assert.Equal(("9", "optional", "1"), (Text(answer.Json, "id"), Text(answer.Json, "model_name"), Text(answer.Json, "model_version")));
        Assert.Equal(("[1,2]", "[3,4]"), (Raw(answer.Json, "OUTPUT0"), Raw(answer.Json, "OUTPUT1")));
        var scalar = await target.PostAsync("/v2/models/repeat_int32/versions/1/generate", """{"IN":4,"DELAY":0,"WAIT":0}""");
        Assert.Equal("4", Raw(scalar.Json, "OUT"));
    }

    [Fact]
    public async Task S2_4_GenerateStream_EachResponseIsAnEvent()
    {
        var answer = await target.PostAsync("/v2/models/repeat_int32/generate_stream", """{"IN":[4,5],"DELAY":[0,0],"WAIT":0}""");
        Assert.Equal((200, "text/event-stream; charset=utf-8"), (answer.Status, answer.Headers["Content-Type"]));
        var events = answer.Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.All(events, text => Assert.StartsWith("data: {", text, StringComparison.Ordinal));
        Assert.Equal(["4", "5"], events.Select(text => Raw(JsonDocument.Parse(text[6..]).RootElement, "OUT")));
    }

    [Fact]
    public async Task S2_4_GenerateStream_FailureAfterAResponse_IsAnEvent()
    {
        var answer = await target.PostAsync("/v2/models/square_faulty/generate_stream", """{"IN":3}""");
        Assert.Equal(200, answer.Status);
        Assert.Contains("data: {\"error\":\"", answer.Text, StringComparison.Ordinal);
    }

    private static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    private static string Raw(JsonElement json, string name) => JsonSerializer.Serialize(json.GetProperty(name));

    private static (JsonElement Head, byte[] Tail) Split(HttpAnswer answer)
    {
        Assert.True(answer.Status == 200, answer.Text);
        var length = int.Parse(answer.Headers[HeaderLength], CultureInfo.InvariantCulture);
        return (JsonDocument.Parse(answer.Body.AsMemory(0, length)).RootElement, answer.Body[length..]);
    }

    private Task<HttpAnswer> SendBinaryAsync(string model, string json, byte[] raw)
    {
        var head = Encoding.UTF8.GetBytes(json);
        return target.SendAsync(HttpMethod.Post, $"/v2/models/{model}/infer", [.. head, .. raw], (HeaderLength, $"{head.Length}"));
    }
}
