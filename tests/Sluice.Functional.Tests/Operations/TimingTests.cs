using System.Globalization;
using System.Text;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Times of single requests for callers who ask for them, and of stages for everybody.</summary>
public sealed class TimingTests
{
    private const string Header = "sluice-timing";

    private const string Json =
        """
        {"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 16], "data": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]},
                    {"name": "INPUT1", "datatype": "INT32", "shape": [1, 16], "data": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}]}
        """;

    [Fact]
    public async Task Grpc_AskedFor_TimesComeAsATrailer()
    {
        await using var server = await OperatedServer.StartAsync();
        using var client = server.CreateClient();
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        var times = Read((await CallAsync(client, OperatedServer.AddSub(), "1")).Get(Header));
        var all = System.Diagnostics.Stopwatch.GetElapsedTime(began);
        Assert.Equal(["queue", "batch", "compute", "respond"], times.Keys);
        Assert.True(times["compute"] > 0 && times["batch"] > 0 && times["respond"] > 0, string.Join(',', times));
        Assert.InRange(times.Values.Sum(), 1, all.TotalNanoseconds);

        Assert.Null((await CallAsync(client, OperatedServer.AddSub(), null)).Get(Header));
        Assert.Null((await CallAsync(client, OperatedServer.AddSub(), "0")).Get(Header));
        var failed = await Assert.ThrowsAsync<SluiceException>(() => CallAsync(client, OperatedServer.AddSub(model: "none"), "true"));
        Assert.Null(failed.Trailers.Get(Header));
    }

    [Fact]
    public async Task Http_AskedFor_TimesComeAsAHeader()
    {
        await using var server = await OperatedServer.StartAsync();
        using var http = server.CreateHttp();
        var times = Read(await PostAsync(http, "true"));
        Assert.True(times["compute"] > 0 && times["batch"] > 0 && times["respond"] > 0, string.Join(',', times));
        Assert.Null(await PostAsync(http, null));
    }

    [Fact]
    public async Task Stages_OfBothFronts_AreCountedForEachRequest()
    {
        await using var server = await OperatedServer.StartAsync();
        using var client = server.CreateClient();
        using var http = server.CreateHttp();
        await OperatedServer.InferAsync(client);
        await OperatedServer.InferAsync(client);
        await PostAsync(http, null);
        await Assert.ThrowsAsync<SluiceException>(() => CallAsync(client, OperatedServer.AddSub(model: "none"), null));

        // The answer may be with its client before the server has counted it.
        MetricsPage page = null!;
        await Eventually.TrueAsync(
            () => (page = MetricsPage.ReadAsync(server.Host.MetricsAddress!).GetAwaiter().GetResult())[Respond("grpc")] >= 2 && page[Respond("http")] >= 1,
            () => page.Text);
        Assert.Equal((2, 1), (page[Respond("grpc")], page[Respond("http")]));
        Assert.Equal(2, page["sluice_receive_duration_seconds_count{front_end=\"grpc\"}"]);
        Assert.True(page["sluice_receive_duration_seconds_sum{front_end=\"grpc\"}"] > 0);
        Assert.Equal(3, page["sluice_batch_rows_sum{model=\"add_sub_int32\",version=\"1\"}"]);

        static string Respond(string port) => $"sluice_respond_duration_seconds_count{{front_end=\"{port}\"}}";
    }

    private static async Task<RpcMetadata> CallAsync(SluiceClient client, InferRequestMessage message, string? header)
    {
        var (sent, received) = (new RpcMetadata(), new RpcMetadata());
        if (header is not null)
            sent.Add(Header, header);
        using var result = await client.InferAsync(message, new CallOptions { Metadata = sent, ReceivedMetadata = received });
        return received;
    }

    private static async Task<string?> PostAsync(HttpClient http, string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/add_sub_int32/infer");
        request.Content = new StringContent(Json, Encoding.UTF8, "application/json");
        if (header is not null)
            request.Headers.Add(Header, header);
        using var response = await http.SendAsync(request);
        Assert.Equal(200, (int)response.StatusCode);
        return response.Headers.TryGetValues(Header, out var values) ? values.Single() : null;
    }

    private static Dictionary<string, double> Read(string? text) => text!.Split(',').Select(part => part.Split('='))
        .ToDictionary(pair => pair[0], pair => double.Parse(pair[1], CultureInfo.InvariantCulture));
}
