using System.Text;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using Sluice.Server.Tracing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Spans that a collector gets, by OTLP.</summary>
public sealed class SpanTests
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Parent = "b7ad6b7169203331";
    private const string Sampled = $"00-{Trace}-{Parent}-01";

    private const string Json =
        """
        {"id": "seven", "inputs": [
          {"name": "INPUT0", "datatype": "INT32", "shape": [1, 16], "data": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]},
          {"name": "INPUT1", "datatype": "INT32", "shape": [1, 16], "data": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}]}
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stages_AreSpans_UnderTheCallersOwn(bool isHttp)
    {
        using var collector = new SpanCollector();
        await using var server = await StartAsync(collector, TraceLevel.Timestamps);
        if (isHttp)
        {
            using var http = server.CreateHttp();
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/add_sub_int32/infer") { Content = new StringContent(Json, Encoding.UTF8, "application/json") };
            request.Headers.Add("traceparent", Sampled);
            using var response = await http.SendAsync(request);
            Assert.True(response.IsSuccessStatusCode);
        }
        else
        {
            using var client = server.CreateClient();
            await OperatedServer.InferAsync(client, "one", ("traceparent", Sampled));
        }

        var spans = ReceivedSpan.Read(await collector.ReceiveAsync());
        Assert.Equal(
            ["InferRequest", "add_sub_int32", "batch", "compute", "queue", "receive", "respond"], spans.Select(span => span.Name).Order(StringComparer.Ordinal));
        Assert.All(spans, span => Assert.Equal(Trace, span.TraceId));
        Assert.All(spans, span => Assert.True(span.Start > 0 && span.Start <= span.End, span.Name));
        var byName = spans.ToDictionary(span => span.Name);
        var parents = new[]
        {
            ("InferRequest", Parent), ("receive", byName["InferRequest"].Id), ("respond", byName["InferRequest"].Id),
            ("add_sub_int32", byName["InferRequest"].Id), ("queue", byName["add_sub_int32"].Id), ("compute", byName["add_sub_int32"].Id),
            ("batch", byName["compute"].Id),
        };
        Assert.All(parents, pair => Assert.Equal(pair.Item2, byName[pair.Item1].ParentId));
        Assert.True(byName["receive"].End <= byName["queue"].Start && byName["queue"].End <= byName["compute"].Start, "out of order");
        Assert.Equal((byName["compute"].Start, true), (byName["batch"].Start, byName["compute"].End <= byName["respond"].End));
    }

    [Fact]
    public async Task Tensors_AreEventsOfTheModelsSpan_AlsoWithoutTimestamps()
    {
        using var collector = new SpanCollector();
        await using var server = await StartAsync(collector, TraceLevel.Tensors);
        using var client = server.CreateClient();
        await OperatedServer.InferAsync(client, "one", ("traceparent", Sampled));

        var spans = ReceivedSpan.Read(await collector.ReceiveAsync());
        Assert.Equal(["InferRequest", "add_sub_int32"], spans.Select(span => span.Name).Order(StringComparer.Ordinal));
        var tensors = spans.Single(span => span.Name == "add_sub_int32").Events;
        Assert.Equal(["INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"], tensors.Select(tensor => tensor.Attributes["tensor.name"]));
        var output = tensors[2];
        Assert.Equal(
            ("TENSOR_BACKEND_OUTPUT", "INT32", "1,16", string.Join(',', Enumerable.Range(1, 16))),
            (output.Name, output.Attributes["tensor.datatype"], output.Attributes["tensor.shape"], output.Attributes["tensor.data"]));
    }

    [Fact]
    public async Task Sampling_ChangedWhileRunning_HoldsForTheNextRequests()
    {
        using var collector = new SpanCollector();
        await using var server = await StartAsync(collector, TraceLevel.Off);
        using var client = server.CreateClient();
        await OperatedServer.InferAsync(client, "before");
        var change = new TraceSettingRequest();
        change.Settings["trace_level"] = new TraceSettingRequest.Types.SettingValue { Value = { "TIMESTAMPS" } };
        change.Settings["trace_rate"] = new TraceSettingRequest.Types.SettingValue { Value = { "2" } };
        await client.CallAsync("/inference.GRPCInferenceService/TraceSetting", change, TraceSettingResponse.Parser);
        await OperatedServer.InferAsync(client, "first");
        await OperatedServer.InferAsync(client, "second");

        var body = await collector.ReceiveAsync();
        Assert.Single(ReceivedSpan.Read(body), span => span.Name == "InferRequest");
        Assert.True(body.AsSpan().IndexOf("second"u8) > 0, "the second request is the one that is traced");
        Assert.True(body.AsSpan().IndexOf("first"u8) < 0, "the first one is not");
    }

    private static Task<OperatedServer> StartAsync(SpanCollector collector, TraceLevel level) => OperatedServer.StartAsync((options, _) => options with
    {
        Trace = new TraceOptions
        {
            Mode = TraceMode.OpenTelemetry,
            Level = level,
            OpenTelemetry = new OpenTelemetryOptions { Url = collector.Url, ScheduleDelayMilliseconds = 50 },
        },
    });
}
