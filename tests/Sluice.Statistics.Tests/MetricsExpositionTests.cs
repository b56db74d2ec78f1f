using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Sluice.Inference;
using Sluice.Statistics.Prometheus;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Statistics.Tests;

public sealed class MetricsExpositionTests
{
    [Fact]
    public void Write_Families_HaveOneHelpAndOneTypeBeforeTheirSamples()
    {
        var lines = Write(Model("a"), Model("b")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        var family = "";
        var seen = new List<string>();
        foreach (var line in lines)
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
                seen.Add(family = line.Split(' ')[2]);
            else
                Assert.StartsWith(line.StartsWith('#') ? $"# TYPE {family} " : family, line);
        }

        Assert.Equal(MetricFamilies.All.Select(f => f.Name), seen);
    }

    [Fact]
    public void Write_TagsAndOddNames_AreOrderedAndEscaped()
    {
        var text = Write(Model("a\"b\\c\nd", ("zone", "x"), ("my-tag", "é")));

        const string tags = "_my_tag=\"é\",_zone=\"x\"";
        const string model = "model=\"a\\\"b\\\\c\\nd\"";
        Assert.Contains($"nv_inference_count{{{tags},{model},version=\"2\"}} 0\n", text);
        Assert.Contains($"nv_inference_request_failure{{{tags},{model},reason=\"REJECTED\",version=\"2\"}} 0\n", text);
        Assert.Contains($"sluice_queue_duration_seconds_bucket{{{tags},le=\"+Inf\",{model},version=\"2\"}} 0\n", text);
    }

    [Fact]
    public void Write_LargeCounts_HaveNoExponent()
    {
        var model = Model("m");
        model.Statistics.RecordSuccess(2_000_000_000, 2_000_000_000, 0, 0, default);

        Assert.Contains("nv_inference_count{model=\"m\",version=\"2\"} 2000000000\n", Write(model));
    }

    [Fact]
    public void Write_Histogram_CountsExactlyUpToItsBounds()
    {
        var model = Model("m");
        long[] values = [0, 16_383, 16_384, 1_000_000, 1L << 40];
        foreach (var value in values)
            model.Statistics.QueueLatency.Record(value);

        var text = Write(model);
        foreach (var line in text.Split('\n').Where(l => l.StartsWith("sluice_queue_duration_seconds_bucket", StringComparison.Ordinal)))
        {
            var bound = line.Split('"')[1];
            var expected = bound == "+Inf"
                ? values.Length
                : values.Count(value => value <= decimal.Parse(bound, CultureInfo.InvariantCulture) * 1_000_000_000);
            Assert.EndsWith($" {expected}", line);
        }

        Assert.Contains("sluice_queue_duration_seconds_count{model=\"m\",version=\"2\"} 5\n", text);
        Assert.Contains("sluice_queue_duration_seconds_sum{model=\"m\",version=\"2\"} 1099.51266", text);
    }

    [Fact]
    public void Write_AThousandModels_TakesLessThanFiftyMilliseconds()
    {
        var models = Enumerable.Range(0, 1000).Select(i => Model($"model_{i}")).ToArray();
        var random = new Random(1);
        foreach (var model in models)
        {
            for (var i = 0; i < 50; i++)
            {
                var timing = new ExecutionTiming(random.Next(1000), random.Next(1_000_000), random.Next(1000));
                model.Statistics.RecordExecution(1, in timing);
                model.Statistics.RecordSuccess(1, 1, random.Next(10_000_000), random.Next(100_000), in timing);
                model.Statistics.RequestLatency.Record(random.Next(10_000_000));
                model.Statistics.QueueLatency.Record(random.Next(100_000));
            }
        }

        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var exposition = new MetricsExposition(new MetricsSources { Models = () => models, Pool = pool });
        var output = new ArrayBufferWriter<byte>(32 * 1024 * 1024);
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 100 && best >= TimeSpan.FromMilliseconds(50); i++)
        {
            output.ResetWrittenCount();
            var began = System.Diagnostics.Stopwatch.GetTimestamp();
            exposition.Write(output);
            var took = System.Diagnostics.Stopwatch.GetElapsedTime(began);
            best = took < best ? took : best;
        }

        // The best of several: other programs of a busy machine may not count.
        Assert.True(best < TimeSpan.FromMilliseconds(50), $"{best.TotalMilliseconds} ms for {output.WrittenCount} bytes");
    }

    [Fact]
    public void Write_BatchesAndRefusals_AreCounted()
    {
        var model = new FakeServable(Model("m").Settings, new ModelStatistics(6, hasBatchDelay: true));
        foreach (var rows in new[] { 1, 2, 3, 6, 6 })
            model.Statistics.RecordExecution(rows, default);
        model.Statistics.RecordRefusal(RefusalReason.QueueFull, 0);
        model.Statistics.RecordRefusal(RefusalReason.QueueTimeout, 0);
        model.Statistics.RecordCancelled(InferenceCode.DeadlineExceeded, 0);
        model.Statistics.RecordCancelled(InferenceCode.Cancelled, 0);
        model.Statistics.BatchWaitLatency!.Record(1);

        var lines = Write(model).Split('\n');
        string[] expected =
        [
            "sluice_batch_rows_bucket{le=\"1\",model=\"m\",version=\"2\"} 1", "sluice_batch_rows_bucket{le=\"2\",model=\"m\",version=\"2\"} 2",
            "sluice_batch_rows_bucket{le=\"4\",model=\"m\",version=\"2\"} 3", "sluice_batch_rows_bucket{le=\"+Inf\",model=\"m\",version=\"2\"} 5",
            "sluice_batch_rows_sum{model=\"m\",version=\"2\"} 18", "sluice_batch_rows_count{model=\"m\",version=\"2\"} 5",
            "sluice_refused_requests_total{model=\"m\",reason=\"queue_full\",version=\"2\"} 1",
            "sluice_refused_requests_total{model=\"m\",reason=\"queue_timeout\",version=\"2\"} 1",
            "sluice_cancelled_requests_total{model=\"m\",reason=\"caller\",version=\"2\"} 1",
            "sluice_cancelled_requests_total{model=\"m\",reason=\"deadline\",version=\"2\"} 1",
            "nv_inference_request_failure{model=\"m\",reason=\"REJECTED\",version=\"2\"} 2",
            "nv_inference_request_failure{model=\"m\",reason=\"CANCELED\",version=\"2\"} 2",
            "sluice_batch_wait_duration_seconds_count{model=\"m\",version=\"2\"} 1",
        ];
        Assert.All(expected, line => Assert.Contains(line, lines));
    }

    [Fact]
    public void MachineFigures_KernelFiles_AreRead()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-proc-");
        File.WriteAllText(Path.Combine(folder.FullName, "meminfo"), "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   40 kB\n");
        File.WriteAllText(Path.Combine(folder.FullName, "stat"), "cpu  10 0 10 60 20 0 0 0 5 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        var figures = new MachineFigures(new KernelFiles(folder.FullName));

        var first = figures.ReadCpuShare();
        File.WriteAllText(Path.Combine(folder.FullName, "stat"), "cpu  85 0 10 85 20 0 0 0 5 0\n");
        var second = figures.ReadCpuShare();
        var memory = figures.ReadMemory();
        folder.Delete(recursive: true);

        Assert.Equal((0.2, 0.75), (first, second));
        Assert.Equal((100 * 1024, 60 * 1024), memory);
        Assert.Null(figures.ReadMemory());
    }

    [Fact]
    public void Write_FirstResponses_HaveTheOriginalsBuckets()
    {
        var model = Model("m");
        var stream = new FakeServable(model.Settings with { Name = "s", IsDecoupled = true });
        foreach (var milliseconds in new[] { 10, 300, 4000, 60_000 })
            stream.Statistics.FirstResponseLatency.Record(milliseconds * 1_000_000L);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var output = new ArrayBufferWriter<byte>();
        new MetricsExposition(new MetricsSources { Models = () => [model, stream], Pool = pool }, new MetricsOptions { HasHistograms = true }).Write(output);

        const string name = "nv_inference_first_response_histogram_ms";
        Assert.Equal(
            [
                $"{name}_bucket{{le=\"100\",model=\"s\",version=\"2\"}} 1", $"{name}_bucket{{le=\"500\",model=\"s\",version=\"2\"}} 2",
                $"{name}_bucket{{le=\"2000\",model=\"s\",version=\"2\"}} 2", $"{name}_bucket{{le=\"5000\",model=\"s\",version=\"2\"}} 3",
                $"{name}_bucket{{le=\"+Inf\",model=\"s\",version=\"2\"}} 4", $"{name}_sum{{model=\"s\",version=\"2\"}} 64310",
                $"{name}_count{{model=\"s\",version=\"2\"}} 4",
            ], Encoding.UTF8.GetString(output.WrittenSpan).Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal)));
    }

    [Fact]
    public void Write_ModelWithBucketsOfItsOwn_HasThem_TheOthersTheUsual()
    {
        var settings = Model("own").Settings with
        {
            IsDecoupled = true,
            HistogramBounds = ImmutableDictionary<string, ImmutableArray<double>>.Empty
                .Add("nv_inference_first_response_histogram_ms", [0.5, 250]).Add("sluice_queue_duration_seconds", [0.001, 2.5]),
        };
        var model = new FakeServable(settings);
        model.Statistics.FirstResponseLatency.Record(200_000_000);
        model.Statistics.QueueLatency.Record(2_000_000_000);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var output = new ArrayBufferWriter<byte>();
        new MetricsExposition(new MetricsSources { Models = () => [model, Model("m")], Pool = pool }, new MetricsOptions { HasHistograms = true }).Write(output);
        var lines = Encoding.UTF8.GetString(output.WrittenSpan).Split('\n');

        const string first = "nv_inference_first_response_histogram_ms_bucket";
        const string queue = "sluice_queue_duration_seconds_bucket";
        Assert.Equal(
            [$"{first}{{le=\"0.5\",model=\"own\",version=\"2\"}} 0", $"{first}{{le=\"250\",model=\"own\",version=\"2\"}} 1", $"{first}{{le=\"+Inf\",model=\"own\",version=\"2\"}} 1"],
            lines.Where(line => line.StartsWith(first, StringComparison.Ordinal)));
        Assert.Equal(
            [$"{queue}{{le=\"0.001\",model=\"own\",version=\"2\"}} 0", $"{queue}{{le=\"2.5\",model=\"own\",version=\"2\"}} 1", $"{queue}{{le=\"+Inf\",model=\"own\",version=\"2\"}} 1"],
            lines.Where(line => line.StartsWith(queue, StringComparison.Ordinal) && line.Contains("\"own\"", StringComparison.Ordinal)));
        Assert.Equal(22, lines.Count(line => line.StartsWith(queue, StringComparison.Ordinal) && line.Contains("\"m\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void MachineText_WithinItsInterval_DoesNotLookAgain()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-proc-");
        var stat = Path.Combine(folder.FullName, "stat");
        File.WriteAllText(stat, "cpu  10 0 10 60 20 0 0 0 5 0\n");
        var time = new ManualTimeProvider();
        var machine = new MachineText(new MachineFigures(new KernelFiles(folder.FullName)), TimeSpan.FromSeconds(2), time);
        var first = Read(machine);
        File.WriteAllText(stat, "cpu  85 0 10 85 20 0 0 0 5 0\n");

        Assert.Contains("nv_cpu_utilization 0.2\n", first);
        Assert.Equal(first, Read(machine));
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Contains("nv_cpu_utilization 0.75\n", Read(machine));
        folder.Delete(recursive: true);

        static string Read(MachineText machine)
        {
            var output = new ArrayBufferWriter<byte>();
            machine.Write(new PrometheusWriter(output));
            return Encoding.UTF8.GetString(output.WrittenSpan);
        }
    }

    private static string Write(params IServable[] models)
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var output = new ArrayBufferWriter<byte>();
        new MetricsExposition(new MetricsSources { Models = () => models, Pool = pool }).Write(output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static FakeServable Model(string name, params (string Key, string Value)[] tags) => new(new ModelSettings
    {
        Name = name,
        Version = "2",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        MetricTags = tags.ToImmutableDictionary(tag => tag.Key, tag => tag.Value),
    });

    private sealed class FakeServable(ModelSettings settings, ModelStatistics? statistics = null) : IServable
    {
        public ModelSettings Settings { get; } = settings;

        public ModelStatistics Statistics { get; } = statistics ?? new(1);

        public ValueTask ExecuteAsync(InferRequest request) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
