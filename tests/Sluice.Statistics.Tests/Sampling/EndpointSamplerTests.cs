using System.Buffers;
using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Statistics.Prometheus;
using Sluice.Statistics.Sampling;
using Sluice.Tensors;

namespace Sluice.Statistics.Tests.Sampling;

public sealed class EndpointSamplerTests
{
    private const long Millisecond = 1_000_000;

    [Fact]
    public async Task Page_HasTheOriginalsNamesAndQuirks()
    {
        await using var sampler = new EndpointSampler();
        var plan = Plan("m/1", Scalar("x0", 1, 2, 1_000_000), Enum("animal", "cat", "do\"g"), new("x2", VariableKind.Value), new("n", VariableKind.Counter));
        Take(sampler, plan, 4, """{"x0": 1, "animal": "cat", "x2": 1.5, "n": 2}""", """{"y": 1}""");
        Take(sampler, plan, 6, """{"x0": [0, 2.5, [3e6]], "animal": ["do\"g", "cat"], "x2": -2, "n": 3}""", "[1]");

        var lines = Page(sampler, "m/1");

        string[] expected =
        [
            "m_1:_latency_bucket{le=\"0.005\"} 1", "m_1:_latency_bucket{le=\"0.01\"} 1", "m_1:_latency_bucket{le=\"1.0\"} 0",
            "m_1:_latency_bucket{le=\"+Inf\"} 0", "m_1:_latency_sum{le=\"0.005\"} 2", "m_1:_latency_sum{le=\"+Inf\"} 2",
            "m_1:_count_total 2", "m_1:x0_bucket{le=\"1.0\"} 2", "m_1:x0_bucket{le=\"2.0\"} 0", "m_1:x0_bucket{le=\"1e+06\"} 1",
            "m_1:x0_bucket{le=\"+Inf\"} 1", "m_1:x0_sum{le=\"2.0\"} 4", "m_1:animal_bucket{enum=\"cat\"} 2",
            "m_1:animal_bucket{enum=\"do\\\"g\"} 1", "m_1:animal_sum{enum=\"cat\"} 3", "m_1:x2 -2", "m_1:n_total 5",
        ];
        Assert.All(expected, line => Assert.Contains(line, lines));
        Assert.Contains("# TYPE m_1:_count_total counter", lines);
        Assert.Contains(lines, line => line.StartsWith("m_1:_count_created ", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("_url", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"x": {"a": 1}, "e": "mouse", "n": -1}""", 1, 2)]
    [InlineData("""{"x": null, "e": null, "n": "three"}""", 0, 3)]
    [InlineData("""{"x": "text", "e": {"cat": 1}, "n": [[], true, 1e999]}""", 0, 3)]
    public async Task OddValues_NeverFail_AndAreCounted(string json, int unlisted, int type)
    {
        await using var sampler = new EndpointSampler();
        Take(sampler, Plan("m", Scalar("x", 1), Enum("e", "cat"), new("n", VariableKind.Counter)), 1, json, "7");
        Assert.Contains("m:_count_total 1", Page(sampler, "m"));
        Assert.Equal((unlisted, type), (sampler.Ignored.UnlistedCount, sampler.Ignored.TypeCount));
    }

    [Fact]
    public async Task Bodies_BareWordsAndLargeValues_AreCounted()
    {
        await using var sampler = new EndpointSampler();
        var plan = Plan("m", Scalar("x", 1), Scalar("y", 1));
        Take(sampler, plan, 1, """{"x": NaN}""", """{"y": 1}""");
        Take(sampler, plan, 1, $$"""{"x": [{{string.Join(',', Enumerable.Repeat(1, 4096))}}], "y": 0}""", "{}");
        var lines = Page(sampler, "m");
        Assert.Contains("m:_count_total 2", lines);
        Assert.Contains("m:y_sum{le=\"1.0\"} 2", lines);
        Assert.Equal((1, 1), (sampler.Ignored.UnreadableCount, sampler.Ignored.TooLargeCount));
    }

    [Theory]
    [InlineData("""{"\ud800": 1, "e": "cat"}""", "{}", "")]
    [InlineData("""{"e": "\ud800"}""", """{"e": "cat", "x": 1}""", """{"\ud800": 1}""")]
    [InlineData("""{"e": "\ud800"}""", "{}", "")]
    public async Task HalvesOfLetters_EndNeitherTheCallNorTheConsumer(string request, string reply, string custom)
    {
        using var publisher = new HeldPublisher();
        publisher.Release.Set();
        await using var sampler = new EndpointSampler(null, publisher);
        var plan = new SamplingPlan { Endpoint = "m", KafkaServer = "k", Variables = [Enum("e", "cat"), Scalar("x", 1)] };
        Take(sampler, plan, 1, request, reply, custom);
        Take(sampler, plan, 1, """{"e": "cat"}""", "{}");
        Assert.Contains("m:_count_total 2", Page(sampler, "m"));
        Assert.InRange(sampler.Ignored.UnreadableCount, 1, 2);
        Assert.Contains("\"e\":\"cat\"", publisher.Messages[^1].Json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OneName_InSeveralPlaces_CountsOnce_TheCodesOwnFirst()
    {
        await using var sampler = new EndpointSampler();
        var plan = Plan("m", new SampledVariable("a", VariableKind.Value), new SampledVariable("b", VariableKind.Value), Scalar("c", 1));
        Take(sampler, plan, 1, """{"a": 1, "b": 1, "c": 1}""", """{"a": 2, "b": 2}""", """{"a": 3}""");
        var lines = Page(sampler, "m");
        Assert.Contains("m:a 3", lines);
        Assert.Contains("m:b 2", lines);
        Assert.Contains("m:c_sum{le=\"1.0\"} 1", lines);
    }

    [Fact]
    public async Task Draw_FollowsTheFrequency_AndCountsAreUnbiased()
    {
        var draws = 0;
        await using var sampler = new EndpointSampler(() => draws++ % 10 / 10.0);
        foreach (var frequency in new[] { 0.1, 0.3, 0.7, 1 })
        {
            var plan = new SamplingPlan { Endpoint = $"f{frequency}", Frequency = frequency };
            for (var i = 0; i < 1000; i++)
            {
                if (sampler.Draw(plan))
                    Take(sampler, plan, 1, "{}", "{}");
            }

            var name = CompatName.Of(plan.Endpoint, "_count_total") + " ";
            var count = Page(sampler, "f0.1", "f0.3", "f0.7", "f1").Single(line => line.StartsWith(name, StringComparison.Ordinal));
            Assert.Equal(1000, double.Parse(count[name.Length..], System.Globalization.CultureInfo.InvariantCulture), 6);
        }

        Assert.Equal(3000, draws);
    }

    [Fact]
    public async Task EditedVariable_BeginsAnew_TheOthersGoOn()
    {
        await using var sampler = new EndpointSampler();
        Take(sampler, Plan("m", Scalar("x", 1), Scalar("y", 1)), 1, """{"x": 0, "y": 0}""", "{}");
        Take(sampler, Plan("m", Scalar("y", 1), Scalar("x", 5)), 1, """{"x": 0, "y": 0}""", "{}");
        var lines = Page(sampler, "m");
        Assert.Contains("m:x_bucket{le=\"5.0\"} 1", lines);
        Assert.Contains("m:y_bucket{le=\"1.0\"} 2", lines);
        Assert.DoesNotContain(lines, line => line.Contains("m:x_bucket{le=\"1.0\"}", StringComparison.Ordinal));
        Assert.Contains("m:_count_total 2", lines);
    }

    [Fact]
    public async Task Names_ThatComeOutTheSame_AreShownOnce_AndEndpointsThatGo_Go()
    {
        await using var sampler = new EndpointSampler();
        Take(sampler, Plan("a/b", Scalar("_latency", 1), Scalar("x(1)", 1), Scalar("x_1_", 1)), 1, "{}", "{}");
        Take(sampler, Plan("a_b"), 1, "{}", "{}");
        Take(sampler, Plan("1m"), 1, "{}", "{}");
        var lines = Page(sampler, "a/b", "a_b", "1m");
        Assert.Single(lines, "a_b:_count_total 1");
        Assert.Single(lines, "a_b:_latency_sum{le=\"0.005\"} 1");
        Assert.Single(lines, line => line.StartsWith("a_b:x_1__bucket{le=\"1.0\"}", StringComparison.Ordinal));
        Assert.Contains("_1m:_count_total 1", lines);
        Assert.DoesNotContain(Page(sampler, "a_b"), line => line.Contains("1m", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tensors_OfEveryType_AreReadByName()
    {
        await using var sampler = new EndpointSampler();
        (DataType Type, byte[] Bytes)[] tensors =
        [
            (DataType.Bool, [1]), (DataType.UInt8, [1]), (DataType.UInt16, [1, 0]), (DataType.UInt32, [1, 0, 0, 0]),
            (DataType.UInt64, BitConverter.GetBytes(1UL)), (DataType.Int8, [1]), (DataType.Int16, [1, 0]), (DataType.Int32, [1, 0, 0, 0]),
            (DataType.Int64, BitConverter.GetBytes(1L)), (DataType.Fp16, BitConverter.GetBytes((Half)1)), (DataType.Bf16, [0x80, 0x3F]),
            (DataType.Fp32, BitConverter.GetBytes(1f)), (DataType.Fp64, BitConverter.GetBytes(1d)),
        ];
        var plan = Plan("m", [.. tensors.Select(tensor => new SampledVariable($"{tensor.Type}", VariableKind.Counter)), Enum("s", "cat", "dog"), Scalar("f", 0.1)]);
        var request = new InferRequest();
        foreach (var (type, bytes) in tensors)
            AddInput(request, $"{type}", type, bytes);
        AddInput(request, "s", DataType.Bytes, [3, 0, 0, 0, .. "dog"u8, 5, 0, 0, 0, .. "mouse"u8]);
        AddInput(request, "f", DataType.Fp32, BitConverter.GetBytes(0.1f));
        request.SetModel(Settings());
        sampler.Take(plan, Millisecond, request);

        var lines = Page(sampler, "m");
        Assert.All(tensors, tensor => Assert.Contains($"m:{tensor.Type}_total 1", lines));
        Assert.Contains("m:s_bucket{enum=\"dog\"} 1", lines);
        Assert.Contains("m:f_bucket{le=\"0.1\"} 1", lines);
        Assert.Equal(1, sampler.Ignored.UnlistedCount);
    }

    [Fact]
    public async Task Take_InSteadyState_AllocatesNothing()
    {
        const int count = 2000;
        await using var sampler = new EndpointSampler(ringCount: 1, ringCapacity: 64);
        var plan = Plan("m", Scalar("x", 1), Scalar("y", 1));
        var request = new InferRequest();
        AddInput(request, "x", DataType.Fp32, new byte[64]);
        request.SetModel(Settings());
        var call = new EndpointCall(EndpointBody.JsonObject, "{\"x\": 1}"u8.ToArray(), true, CancellationToken.None);
        var reply = EndpointReply.Json("{\"y\": [1, 2]}"u8.ToArray());
        TakeAll();
        var before = GC.GetAllocatedBytesForCurrentThread();
        TakeAll();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        Assert.Contains(Page(sampler, "m"), line => line.StartsWith("m:y_sum", StringComparison.Ordinal) && !line.EndsWith(" 0", StringComparison.Ordinal));

        void TakeAll()
        {
            for (var i = 0; i < count; i++)
            {
                sampler.Take(plan, Millisecond, request);
                sampler.Take(plan, Millisecond, call, reply);
            }
        }
    }

    [Fact]
    public async Task RingsFull_SamplesAreDroppedAndCounted_AndNobodyWaits()
    {
        using var publisher = new HeldPublisher();
        await using (var sampler = new EndpointSampler(null, publisher, ringCount: 1, ringCapacity: 8))
        {
            var plan = new SamplingPlan { Endpoint = "m", KafkaServer = "k" };
            Take(sampler, plan, 1, "{}", "{}");
            publisher.Entered.Wait();
            for (var i = 0; i < 100; i++)
                Take(sampler, plan, 1, "{}", "{}");
            Assert.Equal(92, sampler.DroppedCount);
            publisher.Release.Set();
        }

        Assert.Equal(9, publisher.Messages.Sum(message => message.Count));
    }

    [Fact]
    public async Task Records_HaveTheOriginalsForm()
    {
        using var publisher = new HeldPublisher();
        publisher.Release.Set();
        await using (var sampler = new EndpointSampler(null, publisher))
        {
            var plan = new SamplingPlan
            {
                Endpoint = "m/1",
                KafkaServer = "k",
                Frequency = 0.25,
                Variables = [Scalar("x", 1), new("t", VariableKind.Value)],
            };
            Take(sampler, plan, 12.345, """{"x": [1, 2], "z": 1}""", """{"y": 1}""", """{"t": 0.5, "own": "text", "_count": 9}""");
        }

        var message = Assert.Single(publisher.Messages);
        Assert.Equal(("k", "m/1", 1), (message.Server, message.Endpoint, message.Count));
        Assert.Equal("""[{"_url":"m/1","_latency":0.0123,"_count":4,"x":[1, 2],"t":0.5,"own":"text"}]""", message.Json);
    }

    [Fact]
    public async Task Responses_OfADecoupledModel_AreTakenEach_AndTheCallCountsOnce()
    {
        using var publisher = new HeldPublisher();
        publisher.Release.Set();
        await using (var sampler = new EndpointSampler(null, publisher))
        {
            var plan = new SamplingPlan
            {
                Endpoint = "m",
                KafkaServer = "k",
                Frequency = 0.5,
                Variables = [new("OUT", VariableKind.Counter), new("IN", VariableKind.Counter)],
            };
            var request = new InferRequest();
            AddInput(request, "IN", DataType.Int32, [7, 0, 0, 0]);
            AddInput(request, "OUT", DataType.Int32, [9, 0, 0, 0]);
            request.SetModel(Settings() with { IsDecoupled = true, Outputs = [new TensorSettings { Name = "OUT", DataType = DataType.Int32, Dims = [1] }] });
            using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
            foreach (var value in (byte[])[2, 3])
            {
                using var buffer = pool.Rent(4);
                new byte[] { value, 0, 0, 0 }.CopyTo(buffer.GetSpan());
                request.AddOutput() = new OutputTensor { DataType = DataType.Int32, Buffer = buffer, Length = 4 };
                sampler.TakeResponse(plan, request);
                sampler.TakeResponse(Plan("m", new SampledVariable("IN", VariableKind.Counter)), request); // of no output
                request.ClearResponse();
            }

            sampler.Take(plan, Millisecond, request);
            var lines = Page(sampler, "m");
            Assert.Contains("m:OUT_total 5", lines);
            Assert.Contains("m:IN_total 7", lines);
            Assert.Contains("m:_count_total 2", lines);
            Assert.Equal(3, sampler.TakenCount);
        }

        var records = string.Join(',', publisher.Messages.Select(message => message.Json[1..^1]));
        Assert.Equal("""{"_url":"m","OUT":[2]},{"_url":"m","OUT":[3]},{"_url":"m","_latency":0.001,"_count":2,"IN":[7]}""", records);
    }

    private static SamplingPlan Plan(string endpoint, params SampledVariable[] variables) => new() { Endpoint = endpoint, Variables = [.. variables] };

    private static SampledVariable Scalar(string name, params double[] bounds) => new(name, VariableKind.Scalar) { Bounds = [.. bounds] };

    private static SampledVariable Enum(string name, params string[] values) => new(name, VariableKind.Enum) { Values = [.. values] };

    private static ModelSettings Settings() => new()
    {
        Name = "m",
        Version = "1",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
    };

    private static void AddInput(InferRequest request, string name, DataType type, byte[] bytes)
    {
        ref var input = ref request.AddInput();
        input.Name = request.AddText(Encoding.UTF8.GetBytes(name));
        input.DataType = type;
        input.Data = new ReadOnlySequence<byte>(bytes);
    }

    private static void Take(EndpointSampler sampler, SamplingPlan plan, double milliseconds, string request, string reply, string custom = "")
    {
        var call = new EndpointCall(EndpointBody.JsonObject, Encoding.UTF8.GetBytes(request), true, CancellationToken.None);
        var ticks = (long)(milliseconds / 1000 * System.Diagnostics.Stopwatch.Frequency);
        sampler.Take(plan, ticks, call, EndpointReply.Json(Encoding.UTF8.GetBytes(reply)) with { StatisticsJson = Encoding.UTF8.GetBytes(custom) });
    }

    private static string[] Page(EndpointSampler sampler, params string[] keys)
    {
        var output = new ArrayBufferWriter<byte>();
        sampler.Write(new PrometheusWriter(output), keys);
        return Encoding.UTF8.GetString(output.WrittenSpan).Split('\n');
    }

    /// <summary>Keeps messages, and its caller until it is released.</summary>
    private sealed class HeldPublisher : IRecordPublisher, IDisposable
    {
        public ManualResetEventSlim Entered { get; } = new();

        public ManualResetEventSlim Release { get; } = new();

        public List<(string Server, string Endpoint, string Json, int Count)> Messages { get; } = [];

        public void Publish(string server, string endpoint, ReadOnlySpan<byte> message, int recordCount)
        {
            Entered.Set();
            Release.Wait();
            using var document = JsonDocument.Parse(message.ToArray());
            Assert.Equal(recordCount, document.RootElement.GetArrayLength());
            Messages.Add((server, endpoint, Encoding.UTF8.GetString(message), recordCount));
        }

        public void Dispose()
        {
            Entered.Dispose();
            Release.Dispose();
        }
    }
}
