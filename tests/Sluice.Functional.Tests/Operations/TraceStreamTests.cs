using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server.Tracing;
using Sluice.Testing;
using static Sluice.Functional.Tests.Infrastructure.SampleRequests;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Traces of requests on streams, of decoupled models, and of tensors in shared memory.</summary>
public sealed class TraceStreamTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-trace-").FullName;

    private string TraceFile => Path.Combine(_folder, "trace.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Decoupled_EveryResponse_IsNotedAndTheFirstFailureIsTheStatus()
    {
        await using var server = await StartAsync("square_faulty", "repeat_int32");
        await using (var stream = server.Grpc.OpenInferStream())
        {
            await stream.WriteAsync(Square("bad", 4, "square_faulty", wantsEmptyFinal: true));
            await NextAsync(stream, 4);
            await stream.WriteAsync(Repeat("good", [5, 6]));
            await NextAsync(stream, 2);
            stream.Complete();
            Assert.Null(await NextAsync(stream));
        }

        var items = await ReadAsync(2);
        var bad = items.Single(item => Is(item, "request_id", "bad"));
        Assert.Equal("UNKNOWN", bad.GetProperty("status").GetString());
        var good = items.Single(item => Is(item, "request_id", "good"));
        Assert.False(good.TryGetProperty("status", out _));
        Assert.Equal(["4"], Tensors(items, bad, "TENSOR_BACKEND_OUTPUT", "OUT"));
        Assert.Equal(["4"], Tensors(items, bad, "TENSOR_QUEUE_INPUT", "IN"));
        Assert.Equal(["5", "6"], Tensors(items, good, "TENSOR_BACKEND_OUTPUT", "OUT"));
        Assert.Equal(["5,6"], Tensors(items, good, "TENSOR_QUEUE_INPUT", "IN"));
        var moments = items.Single(item => item.TryGetProperty("timestamps", out _) && Same(item, good)).GetProperty("timestamps");
        Assert.Equal(
            ["GRPC_WAITREAD_END", "REQUEST_START", "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START",
                "COMPUTE_END", "INFER_RESPONSE_COMPLETE", "REQUEST_END", "GRPC_SEND_START", "GRPC_SEND_END"],
            moments.EnumerateArray().Select(moment => moment.GetProperty("name").GetString()!));
        var times = moments.EnumerateArray().Select(moment => moment.GetProperty("ns").GetInt64()).ToList();
        Assert.Equal(times.Order(), times);
    }

    [Fact]
    public async Task GenerateStream_IsTracedAsOneRequest()
    {
        await using var server = await StartAsync("repeat_int32");
        var (status, _) = await server.PostAsync("/v2/models/repeat_int32/generate_stream", """{"id":"g","IN":[7,8],"DELAY":[0,0],"WAIT":0}""");
        Assert.Equal(200, status);
        var items = await ReadAsync(1);
        var head = items.Single(item => Is(item, "request_id", "g"));
        Assert.Equal(["7", "8"], Tensors(items, head, "TENSOR_BACKEND_OUTPUT", "OUT"));
        var names = items.Single(item => item.TryGetProperty("timestamps", out _)).GetProperty("timestamps").EnumerateArray()
            .Select(moment => moment.GetProperty("name").GetString()).ToList();
        Assert.Equal(("HTTP_RECV_START", "HTTP_SEND_END"), (names[0], names[^1]));
    }

    /// <summary>The region leaves with the request, so nothing may look into it afterwards.</summary>
    [Fact]
    public async Task SharedMemory_TensorsOfARegionThatLeaves_AreNotedWhileItIsThere()
    {
        await using var server = await StartAsync("slow", "wide");
        var client = new SharedMemoryClient(server);
        using var file = new SharedMemoryFile(4096);
        await client.RegisterAsync("here", file, 4096);
        file.Write(64, BitConverter.GetBytes(1.5f));
        var request = Request("wide", Input("INPUT0", "FP32", "here", 4, 64, 1));
        request.Id = "wide";
        request.Outputs.Add(Output("OUTPUT0", "here", 4, 128));
        await client.InferAsync(request);
        await client.UnregisterAsync("here");

        await client.RegisterAsync("busy", file, 4096);
        var steps = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(steps, TestModels.EndlessSteps);
        file.Write(0, steps);
        using var cancel = new CancellationTokenSource();
        var slow = Request("slow", Input("STEPS", "INT64", "busy", 8, 0));
        slow.Id = "slow";
        var call = client.InferAsync(slow, cancel.Token);
        await Eventually.TrueAsync(() => server.Host.SharedMemory!.UserCount == 1, () => "the request does not hold its region");
        await client.UnregisterAsync("busy");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);

        var items = await ReadAsync(2);
        var wide = items.Single(item => Is(item, "request_id", "wide"));
        Assert.Equal(["1.5"], Tensors(items, wide, "TENSOR_QUEUE_INPUT", "INPUT0"));
        Assert.Equal(["1.5"], Tensors(items, wide, "TENSOR_BACKEND_OUTPUT", "OUTPUT0"));
        var stopped = items.Single(item => Is(item, "request_id", "slow"));
        Assert.Equal([$"{TestModels.EndlessSteps}"], Tensors(items, stopped, "TENSOR_QUEUE_INPUT", "STEPS"));
    }

    private Task<OwnServer> StartAsync(params string[] models) => OwnServer.StartAsync(
        options => options with
        {
            AllowClientShm = true,
            Trace = new TraceOptions { Level = TraceLevel.Timestamps | TraceLevel.Tensors, Rate = 1, File = TraceFile },
        }, models);

    private static bool Is(JsonElement item, string name, string value) =>
        item.TryGetProperty(name, out var found) && found.GetString() == value;

    private static bool Same(JsonElement one, JsonElement other) => one.GetProperty("id").GetInt64() == other.GetProperty("id").GetInt64();

    private static IEnumerable<string> Tensors(List<JsonElement> items, JsonElement head, string activity, string name) =>
        items.Where(item => Same(item, head) && Is(item, "activity", activity)).Select(item => item.GetProperty("tensor"))
            .Where(tensor => Is(tensor, "name", name)).Select(tensor => tensor.GetProperty("data").GetString()!);

    private async Task<List<JsonElement>> ReadAsync(int count)
    {
        List<JsonElement> items = [];
        await Eventually.TrueAsync(() => (items = Read()).Count(item => item.TryGetProperty("model_name", out _)) >= count, () => $"{items.Count} items");
        return items;
    }

    private List<JsonElement> Read()
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(TraceFile));
            return [.. json.RootElement.EnumerateArray().Select(item => item.Clone())];
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            // Not there yet, or caught in the middle of a write.
            return [];
        }
    }
}
