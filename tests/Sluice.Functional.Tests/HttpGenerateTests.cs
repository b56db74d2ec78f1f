using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests;

/// <summary>The generate extension (spec §2.4) through real sockets.</summary>
[Collection(ServerGroup.Name)]
public sealed class HttpGenerateTests(ServerFixture server) : IDisposable
{
    private readonly HttpClient _client = new() { BaseAddress = server.Host.HttpAddress };

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Theory]
    [InlineData("/v2/models/text/generate")]
    [InlineData("/v2/models/text/versions/1/generate")]
    public async Task Generate_ScalarsListsAndParameters_ComeBackFlat(string path)
    {
        var (status, type, text) = await PostAsync(
            path,
            """{"id":"42","INPUT_TEXT":"grüße \"x\"","parameters":{"INPUT_FLAG":true,"temperature":0.5},"INPUT_LIST":[1,2,3,4],"top":7}""");
        Assert.Equal((200, "application/json"), (status, type));
        var answer = JsonDocument.Parse(text).RootElement;
        Assert.Equal("42", answer.GetProperty("id").GetString());
        Assert.Equal(("text", "1"), (answer.GetProperty("model_name").GetString(), answer.GetProperty("model_version").GetString()));
        Assert.Equal("grüße \"x\"", answer.GetProperty("OUTPUT_TEXT").GetString());
        Assert.True(answer.GetProperty("OUTPUT_FLAG").GetBoolean());
        Assert.Equal([1L, 2, 3, 4], answer.GetProperty("OUTPUT_LIST").EnumerateArray().Select(item => item.GetInt64()));
    }

    [Fact]
    public async Task Generate_WithoutAnId_HasNone()
    {
        var (_, _, text) = await PostAsync("/v2/models/text/generate", """{"INPUT_TEXT":["x"],"INPUT_FLAG":false}""");
        var answer = JsonDocument.Parse(text).RootElement;
        Assert.False(answer.TryGetProperty("id", out _));
        Assert.False(answer.TryGetProperty("OUTPUT_LIST", out _));
    }

    /// <summary>Python writes these words without quotes.</summary>
    [Fact]
    public async Task Both_BareWords_AreFloatingPoint()
    {
        foreach (var route in new[] { "generate", "generate_stream" })
        {
            var (status, _, text) = await PostAsync(
                $"/v2/models/identity_double/{route}", """{"id":"NaN","INPUT0":[1.5,NaN,Infinity,-Infinity],"parameters":{"p":NaN}}""");
            Assert.True(status == 200, text);
            Assert.Contains("\"OUTPUT0\":[1.5,\"NaN\",\"Infinity\",\"-Infinity\"]", text, StringComparison.Ordinal);
            Assert.Contains("\"id\":\"NaN\"", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{}", 400, "expected number of inputs between 2 and 3 but got 0")]
    [InlineData("", 400, "expected number of inputs between 2 and 3 but got 0")]
    [InlineData("""{"INPUT_TEXT":"x"}""", 400, "expected number of inputs between 2 and 3 but got 1")]
    [InlineData("""{"INPUT_TEXT":1,"INPUT_FLAG":true}""", 400, "Unable to parse 'INPUT_TEXT': attempt to access JSON non-string as string")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_FLAG":"true"}""", 400, "Unable to parse 'INPUT_FLAG': attempt to access JSON non-boolean as boolean")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_FLAG":true,"INPUT_LIST":[1,2,3]}""", 400, "The schema can not convert input 'INPUT_LIST' to tensor with proper shape")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_FLAG":true,"INPUT_LIST":[[1,2]]}""", 400, "Unable to parse 'INPUT_LIST'")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_TEXT":"y","INPUT_FLAG":true}""", 400, "input 'INPUT_TEXT' already exists in request")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_FLAG":true,"parameters":1}""", 400, "Expected JSON object for keyword: 'parameters'")]
    [InlineData("""{"INPUT_TEXT":"x","INPUT_FLAG":true,"odd":{}}""", 400, "parameter 'odd' has invalid type")]
    [InlineData("[1]", 400, "failed to parse the request JSON buffer")]
    [InlineData("{", 400, "failed to parse the request JSON buffer")]
    public async Task Both_BadRequest_IsAnOrdinaryErrorThatNamesTheInput(string body, int status, string error)
    {
        foreach (var route in new[] { "generate", "generate_stream" })
        {
            var answer = await PostAsync($"/v2/models/text/{route}", body);
            Assert.Equal((status, "application/json"), (answer.Status, answer.Type));
            Assert.Contains(error, JsonDocument.Parse(answer.Text).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/v2/models/nobody/generate", 404)]
    [InlineData("/v2/models/text/versions/9/generate_stream", 404)]
    [InlineData("/v2/models/text/versions/x/generate", 404)]
    public async Task Both_UnknownModel_IsNotFound(string path, int status) =>
        Assert.Equal(status, (await PostAsync(path, "{}")).Status);

    [Fact]
    public async Task Both_Get_IsNotAllowed()
    {
        using var response = await _client.GetAsync("/v2/models/text/generate_stream");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
    }

    [Theory]
    [InlineData("[]", 500)]
    [InlineData("[4]", 200)]
    [InlineData("[4,5]", 500)]
    public async Task Generate_DecoupledModel_WantsExactlyOneResponse(string values, int status)
    {
        var answer = await PostAsync("/v2/models/repeat_int32/generate", $$"""{"IN":{{values}}}""");
        Assert.Equal(status, answer.Status);
        if (status == 200)
            Assert.Equal(4, JsonDocument.Parse(answer.Text).RootElement.GetProperty("OUT").GetInt32());
        else
            Assert.Contains(
                "generate expects model to produce exactly 1 response, use generate stream for model that generates various number " +
                "of responses",
                answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_EachResponseIsAnEvent()
    {
        var answer = await PostAsync("/v2/models/repeat_int32/versions/1/generate_stream", """{"id":"7","IN":[4,5],"DELAY":[0,0],"WAIT":0}""");
        Assert.Equal((200, "text/event-stream; charset=utf-8"), (answer.Status, answer.Type));
        Assert.Equal(
            "data: {\"id\":\"7\",\"model_name\":\"repeat_int32\",\"model_version\":\"1\",\"OUT\":4,\"IDX\":0}\n\n" +
            "data: {\"id\":\"7\",\"model_name\":\"repeat_int32\",\"model_version\":\"1\",\"OUT\":5,\"IDX\":1}\n\n",
            answer.Text);
    }

    [Theory]
    [InlineData("/v2/models/repeat_int32/generate_stream", """{"IN":[]}""", 0)]
    [InlineData("/v2/models/text/generate_stream", """{"INPUT_TEXT":"x","INPUT_FLAG":true}""", 1)]
    public async Task Stream_AnyNumberOfResponses_EndsWell(string path, string body, int count)
    {
        var answer = await PostAsync(path, body);
        Assert.Equal((200, "text/event-stream; charset=utf-8"), (answer.Status, answer.Type));
        Assert.Equal(count, Events(answer.Text).Count);
    }

    [Fact]
    public async Task Stream_FailureAfterAResponse_IsAnEvent()
    {
        var answer = await PostAsync("/v2/models/square_faulty/generate_stream", """{"IN":4}""");
        Assert.Equal(200, answer.Status);
        var events = Events(answer.Text);
        Assert.Equal(3, events.Count);
        Assert.Equal(4, events[0].GetProperty("OUT").GetInt32());
        Assert.Equal("simulated failure", events[1].GetProperty("error").GetString());
    }

    [Fact]
    public async Task Stream_FailureBeforeAnyResponse_IsAnOrdinaryError()
    {
        var answer = await PostAsync("/v2/models/square_faulty/generate_stream", """{"IN":2}""");
        Assert.Equal((400, "application/json", """{"error":"simulated failure"}"""), (answer.Status, answer.Type, answer.Text));
    }

    [Fact]
    public async Task Stream_ResponsesLeaveAsTheyCome()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/repeat_int32/generate_stream")
        {
            Content = new StringContent($$"""{"IN":[1,2],"DELAY":[0,{{SampleRequests.Forever}}]}"""),
        };
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var line = await reader.ReadLineAsync().WaitAsync(ServerFixture.Patience);
        Assert.Contains("\"OUT\":1", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_ClientGone_CancelsTheRequest(bool isReset)
    {
        using var client = new SluiceClient(server.GrpcAddress);
        var before = await CancelledAsync();
        using (var socket = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(IPAddress.Loopback, server.Host.HttpAddress!.Port);
            var body = $$"""{"IN":[1,2],"DELAY":[0,{{SampleRequests.Forever}}]}""";
            await socket.SendAsync(Encoding.ASCII.GetBytes(
                $"POST /v2/models/repeat_int32/generate_stream HTTP/1.1\r\nHost: x\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            var received = new byte[4096];
            var head = "";
            while (!head.Contains("\"OUT\":1", StringComparison.Ordinal))
                head += Encoding.ASCII.GetString(received, 0, await socket.ReceiveAsync(received).WaitAsync(ServerFixture.Patience));
            if (isReset)
                socket.LingerState = new LingerOption(true, 0);
        }

        await Eventually.TrueAsync(() => CancelledAsync().Result > before, () => "the request was not cancelled");
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");

        async Task<long> CancelledAsync() => (await client.GetModelStatisticsAsync("repeat_int32"))[0]
            .ResponseStats.Values.Sum(row => (long)row.Cancel.Count);
    }

    private static List<JsonElement> Events(string text) =>
        [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(part => JsonDocument.Parse(part["data: ".Length..]).RootElement)];

    private async Task<(int Status, string Type, string Text)> PostAsync(string path, string body)
    {
        using var content = new StringContent(body);
        using var response = await _client.PostAsync(path, content).WaitAsync(ServerFixture.Patience);
        return ((int)response.StatusCode, response.Content.Headers.ContentType?.ToString() ?? "", await response.Content.ReadAsStringAsync());
    }
}
