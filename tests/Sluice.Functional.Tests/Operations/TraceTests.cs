using System.Net;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using Sluice.Server.Tracing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Traces of requests and the trace settings call (spec §1.8, §5.5).</summary>
public sealed class TraceTests
{
    private const string Sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [Fact]
    public async Task File_OfTimestamps_HasTheMomentsInOrder()
    {
        var file = "";
        List<JsonElement> traces;
        await using (var server = await OperatedServer.StartAsync((options, folder) => options with
        {
            Trace = new TraceOptions { Level = TraceLevel.Timestamps, Rate = 1, File = file = Path.Combine(folder, "trace.json") },
        }))
        {
            using var client = server.CreateClient();
            await OperatedServer.InferAsync(client, "my \"id\"", ("traceparent", Sampled));
            using var http = new HttpInference(server.Host.HttpAddress!);
            await http.InferAsync("add_sub_int32", Sluice.Testing.GoldenSet.Read("onnx", "add_sub_int32").Cases[0].Inputs, isBinary: true);
            traces = await ReadAsync(file, 2);
        }

        Assert.Equal("add_sub_int32", traces[0].GetProperty("model_name").GetString());
        Assert.Equal(1, traces[0].GetProperty("model_version").GetInt32());
        Assert.Equal("my \"id\"", traces[0].GetProperty("request_id").GetString());
        Assert.Equal(Sampled, traces[0].GetProperty("traceparent").GetString());
        Assert.Equal(
            ["GRPC_WAITREAD_START", "GRPC_WAITREAD_END", "REQUEST_START", "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END",
                "COMPUTE_OUTPUT_START", "COMPUTE_END", "INFER_RESPONSE_COMPLETE", "REQUEST_END", "GRPC_SEND_START", "GRPC_SEND_END"],
            Names(traces[1]));
        Assert.Equal("HTTP_RECV_START", Names(traces[3]).First());
        Assert.Equal("HTTP_SEND_END", Names(traces[3]).Last());
        foreach (var trace in new[] { traces[1], traces[3] })
        {
            var times = trace.GetProperty("timestamps").EnumerateArray().Select(moment => moment.GetProperty("ns").GetInt64()).ToList();
            Assert.Equal(times.Order(), times);
            Assert.All(times, time => Assert.True(time > 0));
        }

        Assert.Equal([1, 1, 2, 2], traces.Select(trace => trace.GetProperty("id").GetInt32()));
    }

    [Fact]
    public async Task Rate_OfThree_TracesEveryThirdAndForcedOnes()
    {
        await using var server = await StartAsync(trace => trace with { Rate = 3 });
        using var client = server.CreateClient();
        for (var i = 1; i <= 7; i++)
            await OperatedServer.InferAsync(client, $"r{i}");
        await OperatedServer.InferAsync(client, "forced", ("traceparent", Sampled));
        await OperatedServer.InferAsync(client, "not", ("traceparent", Sampled[..^1] + "0"));

        await OperatedServer.InferAsync(client, "last");

        var traces = await ReadAsync(FileOf(server), 4);
        Assert.Equal(["r3", "r6", "forced", "last"], traces.Where(IsHead).Select(trace => trace.GetProperty("request_id").GetString()!));
    }

    [Fact]
    public async Task Count_WhenReached_EndsTracingAndWritesANumberedFile()
    {
        await using var server = await StartAsync(trace => trace with { Count = 2 });
        using var client = server.CreateClient();
        for (var i = 0; i < 5; i++)
            await OperatedServer.InferAsync(client);

        Assert.Equal(2, (await ReadAsync(FileOf(server) + ".0", 2)).Count(IsHead));
        Assert.False(File.Exists(FileOf(server)));
        Assert.Equal("0", (await SettingsAsync(client, "")).Settings["trace_count"].Value.Single());
    }

    [Fact]
    public async Task LogFrequency_OfTwo_WritesNumberedFilesAndTheRestAtTheEnd()
    {
        var server = await StartAsync(trace => trace with { LogFrequency = 2 });
        await using (server)
        {
            using var client = server.CreateClient();
            for (var i = 0; i < 5; i++)
                await OperatedServer.InferAsync(client);
            Assert.Equal(2, (await ReadAsync(FileOf(server) + ".0", 2)).Count(IsHead));
            Assert.Equal(2, (await ReadAsync(FileOf(server) + ".1", 2)).Count(IsHead));
            Assert.False(File.Exists(FileOf(server) + ".2"));
            await UpdateAsync(client, "", ("log_frequency", ["3"]));
            Assert.Single(await ReadAsync(FileOf(server) + ".2", 1), IsHead);
        }
    }

    [Fact]
    public async Task Tensors_AreWrittenAsText()
    {
        await using var server = await StartAsync(trace => trace with { Level = TraceLevel.Tensors });
        using var client = server.CreateClient();
        await OperatedServer.InferAsync(client);

        var tensors = (await ReadAsync(FileOf(server), 1)).Where(item => item.TryGetProperty("tensor", out _)).ToList();
        Assert.Equal(
            ["TENSOR_QUEUE_INPUT", "TENSOR_QUEUE_INPUT", "TENSOR_BACKEND_OUTPUT", "TENSOR_BACKEND_OUTPUT"],
            tensors.Select(item => item.GetProperty("activity").GetString()!));
        var input = tensors[0].GetProperty("tensor");
        Assert.Equal("INPUT0", input.GetProperty("name").GetString());
        Assert.Equal("0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", input.GetProperty("data").GetString());
        Assert.Equal("1,16", input.GetProperty("shape").GetString());
        Assert.Equal("INT32", input.GetProperty("dtype").GetString());
        Assert.Equal("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", tensors[2].GetProperty("tensor").GetProperty("data").GetString());
    }

    [Fact]
    public async Task Tensors_ThatAreLarge_AreCut()
    {
        await using var server = await OperatedServer.StartAsync(
            (options, folder) => options with { Trace = new TraceOptions { Level = TraceLevel.Tensors, Rate = 1, File = Path.Combine(folder, "trace.json") } },
            "wide");
        using var client = server.CreateClient();
        using var result = await client.InferAsync(new()
        {
            ModelName = "wide",
            Inputs = [Protocol.Codec.InferInput.Create<float>("INPUT0", new float[1_000_000], 1_000_000)],
        });

        var tensors = (await ReadAsync(FileOf(server), 1)).Where(item => item.TryGetProperty("tensor", out _)).ToList();
        Assert.Equal(2, tensors.Count);
        Assert.All(tensors, item =>
        {
            var data = item.GetProperty("tensor").GetProperty("data").GetString()!;
            Assert.EndsWith("0,...", data, StringComparison.Ordinal);
            Assert.Equal(256 * 1024 / sizeof(float), data.Count(c => c == '0'));
        });
    }

    [Fact]
    public async Task Requests_ThatFail_AreTracedWithTheirStatus()
    {
        await using var server = await StartAsync(trace => trace);
        using var client = server.CreateClient();
        await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(new() { ModelName = "add_sub_int32", Id = "bad", Inputs = [] }));

        var traces = await ReadAsync(FileOf(server), 1);
        Assert.Equal("INVALID_ARGUMENT", traces[0].GetProperty("status").GetString());
        Assert.Contains("REQUEST_END", Names(traces[1]));
        Assert.DoesNotContain("COMPUTE_START", Names(traces[1]));
    }

    [Fact]
    public async Task Settings_OfTheServerAndOfAModel_FollowEachOther()
    {
        await using var server = await StartAsync(trace => trace with { Level = TraceLevel.Off });
        using var client = server.CreateClient();
        Assert.Equal("OFF|1|-1|0|" + FileOf(server) + "|triton", await DescribeAsync(client, ""));

        await UpdateAsync(client, "add_sub_int32", ("trace_rate", ["12"]), ("trace_level", ["TIMESTAMPS"]));
        await UpdateAsync(client, "", ("trace_level", ["TIMESTAMPS", "TENSORS"]), ("trace_count", ["9"]));
        Assert.Equal("TIMESTAMPS,TENSORS|1|9|0|" + FileOf(server) + "|triton", await DescribeAsync(client, ""));
        Assert.Equal("TIMESTAMPS|12|9|0|" + FileOf(server) + "|triton", await DescribeAsync(client, "add_sub_int32"));

        await UpdateAsync(client, "add_sub_int32", ("trace_level", []));
        Assert.Equal("TIMESTAMPS,TENSORS|12|9|0|" + FileOf(server) + "|triton", await DescribeAsync(client, "add_sub_int32"));
        await UpdateAsync(client, "add_sub_int32", ("trace_rate", []));
        await UpdateAsync(client, "", ("trace_level", []), ("trace_count", []));
        Assert.Equal("OFF|1|-1|0|" + FileOf(server) + "|triton", await DescribeAsync(client, "add_sub_int32"));
    }

    [Fact]
    public async Task Settings_OverHttp_AreTheOriginalsJson()
    {
        await using var server = await StartAsync(trace => trace);
        using var http = server.CreateHttp();
        using var content = new StringContent("""{"trace_level":["TENSORS"],"trace_rate":"4","trace_count":null,"log_frequency":[]}""");
        using var response = await http.PostAsync("/v2/models/add_sub_int32/trace/setting", content);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(
            $$"""{"trace_level":["TENSORS"],"trace_rate":"4","trace_count":"-1","log_frequency":"0","trace_file":"{{FileOf(server)}}","trace_mode":"triton"}""",
            await response.Content.ReadAsStringAsync());
        Assert.StartsWith("""{"trace_level":["TIMESTAMPS"],"trace_rate":"1",""", await http.GetStringAsync("/v2/trace/setting"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", """{"trace_file":"x"}""", 501, "trace file location can not be updated through network protocol")]
    [InlineData("", """{"trace_rate":"x"}""", 400, "Unable to parse 'trace_rate', got: x")]
    [InlineData("", """{"trace_rate":"4294967296"}""", 400, "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: 4294967296")]
    [InlineData("", """{"trace_count":"-2"}""", 400, "Unable to parse 'trace_count'. Expecting value >= -1, got: -2")]
    [InlineData("", """{"trace_count":["1","2"]}""", 400, "expect only 1 value for 'trace_count'")]
    [InlineData("", """{"trace_level":["OFF","TENSORS"]}""", 400, "Expect only one trace level 'OFF' is specified")]
    [InlineData("", """{"trace_rate":"0"}""", 400, "Attempting to set invalid trace setting :sample rate must be non-zero")]
    [InlineData("/models/nobody", """{"trace_rate":"1"}""", 400, "Request for unknown model : nobody")]
    public async Task Settings_ThatAreWrong_ChangeNothing(string path, string body, int status, string error)
    {
        await using var server = await StartAsync(trace => trace);
        using var http = server.CreateHttp();
        var before = await http.GetStringAsync("/v2/trace/setting");
        using var content = new StringContent(body);
        using var response = await http.PostAsync($"/v2{path}/trace/setting", content);

        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal((status, error), ((int)response.StatusCode, json.RootElement.GetProperty("error").GetString()));
        Assert.Equal(before, await http.GetStringAsync("/v2/trace/setting"));
    }

    [Fact]
    public async Task File_ThatCannotBeWritten_CostsNoRequest()
    {
        await using var server = await OperatedServer.StartAsync((options, folder) => options with
        {
            Trace = new TraceOptions { Level = TraceLevel.Timestamps, Rate = 1, File = Path.Combine(folder, "none", "trace.json") },
        });
        using var client = server.CreateClient();
        for (var i = 0; i < 3; i++)
            await OperatedServer.InferAsync(client);
        await Eventually.TrueAsync(() => server.Log.Contains("Traces cannot be written", StringComparison.Ordinal), () => server.Log);
    }

    [Fact]
    public async Task OpenTelemetry_Spans_ReachTheCollector()
    {
        using var collector = new SpanCollector();
        await using var server = await OperatedServer.StartAsync((options, _) => options with
        {
            Trace = new TraceOptions
            {
                Mode = TraceMode.OpenTelemetry,
                Level = TraceLevel.Timestamps,
                OpenTelemetry = new OpenTelemetryOptions { Url = collector.Url, ScheduleDelayMilliseconds = 50, Resources = [("deployment", "test")] },
            },
        });
        using var client = server.CreateClient();
        await OperatedServer.InferAsync(client, "one", ("traceparent", Sampled));

        // Names and ids stand in the protobuf message as they are.
        var body = await collector.ReceiveAsync();
        foreach (var text in new[] { "InferRequest", "add_sub_int32", "compute", "COMPUTE_INPUT_END", "triton.model_version", "deployment" })
            Assert.True(body.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(text)) >= 0, text);
        Assert.True(body.AsSpan().IndexOf(Convert.FromHexString("0af7651916cd43dd8448eb211c80319c")) >= 0, "the caller's trace");
        Assert.True(body.AsSpan().IndexOf(Convert.FromHexString("b7ad6b7169203331")) >= 0, "the caller's span");
        var settings = await SettingsAsync(client, "");
        Assert.Equal("opentelemetry", settings.Settings["trace_mode"].Value.Single());
        Assert.Equal(collector.Url.OriginalString, settings.Settings["url"].Value.Single());
    }

    private static Task<OperatedServer> StartAsync(Func<TraceOptions, TraceOptions> change) => OperatedServer.StartAsync((options, folder) => options with
    {
        Trace = change(new TraceOptions { Level = TraceLevel.Timestamps, Rate = 1, File = Path.Combine(folder, "trace.json") }),
    });

    private static string FileOf(OperatedServer server) => Path.Combine(server.Folder, "trace.json");

    private static bool IsHead(JsonElement item) => item.TryGetProperty("model_name", out _);

    private static List<string> Names(JsonElement trace) =>
        [.. trace.GetProperty("timestamps").EnumerateArray().Select(moment => moment.GetProperty("name").GetString()!)];

    /// <summary>Waits until a file holds a number of traces; at every moment it must be valid JSON or be missing.</summary>
    private static async Task<List<JsonElement>> ReadAsync(string file, int count)
    {
        List<JsonElement> items = [];
        await Eventually.TrueAsync(() => TryRead(file, out items) && items.Count(IsHead) >= count, () => $"{items.Count} items in {file}");
        return items;
    }

    private static bool TryRead(string file, out List<JsonElement> items)
    {
        items = [];
        if (!File.Exists(file))
            return false;
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        try
        {
            using var json = JsonDocument.Parse(memory.ToArray());
            items = [.. json.RootElement.EnumerateArray().Select(item => item.Clone())];
            return true;
        }
        catch (JsonException)
        {
            // Caught in the middle of a write.
            return false;
        }
    }

    private static Task<TraceSettingResponse> SettingsAsync(SluiceClient client, string model) => UpdateAsync(client, model);

    private static async Task<string> DescribeAsync(SluiceClient client, string model)
    {
        var settings = (await SettingsAsync(client, model)).Settings;
        return string.Join('|', new[] { "trace_level", "trace_rate", "trace_count", "log_frequency", "trace_file", "trace_mode" }
            .Select(name => string.Join(',', settings[name].Value)));
    }

    private static Task<TraceSettingResponse> UpdateAsync(SluiceClient client, string model, params (string Name, string[] Values)[] settings)
    {
        var request = new TraceSettingRequest { ModelName = model };
        foreach (var (name, values) in settings)
            request.Settings[name] = new TraceSettingRequest.Types.SettingValue { Value = { values } };
        return client.CallAsync("/inference.GRPCInferenceService/TraceSetting", request, TraceSettingResponse.Parser);
    }
}
