using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Sluice.Cli;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Statistics.Kafka;

namespace Sluice.Functional.Tests.Control;

/// <summary>Records of sampled calls in Kafka, as another program reads them there, and what happens while there is no Kafka.</summary>
/// <remarks>Where broker or reader are not built or installed the tests pass without a word, unless SLUICE_REQUIRE_CLIENTS is set.</remarks>
public sealed class KafkaTests
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";
    private const string Delivered = "sluice_kafka_records_total{outcome=\"delivered\"}";
    private const string Dropped = "sluice_kafka_records_total{outcome=\"dropped\"}";
    private const string Waiting = "sluice_kafka_records_waiting";
    private const string Taken = "sluice_samples_total{outcome=\"taken\"}";

    [Fact]
    public async Task Records_AreThere_ByEndpoint_WhenTheAddressIsSetWhileServing()
    {
        if (!Broker.IsThere)
            return;
        using var broker = await Broker.StartAsync();
        await using var server = await StartAsync();
        await server.DoAsync("metrics", "add", "--endpoint", "m/*", "--log-freq", "1", "--variable-value", "OUTPUT0");
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("m", "1", model);
        await server.AddAsync("n", "", model);
        Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        await server.DoAsync("config", "--kafka-metric-server", broker.Address);
        await UntilAsync(server, page => page[Delivered] > 0, async () =>
        {
            Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
            Assert.Equal(200, (await server.ServeAsync("n", Request)).Status);
        });
        await UntilAsync(server, page => page[Waiting] == 0);

        var messages = await broker.ReadAsync();
        Assert.Equal(["m/1", "n"], messages.Select(message => message.Key).Distinct().Order());
        foreach (var (key, records) in messages)
        {
            foreach (var record in records.EnumerateArray())
            {
                Assert.Equal(key, record.GetProperty("_url").GetString());
                Assert.Equal(1, record.GetProperty("_count").GetInt32());
                Assert.InRange(record.GetProperty("_latency").GetDouble(), 0, 10);
                Assert.Equal(key == "m/1", record.TryGetProperty("OUTPUT0", out var value));
                if (key == "m/1")
                    Assert.Equal(16, value[0].GetArrayLength());
            }
        }
    }

    [Fact]
    public async Task BrokerKilledAndBackUnderLoad_NoRecordIsMissingThatWasNotCounted()
    {
        if (!Broker.IsThere)
            return;
        using var broker = await Broker.StartAsync();
        await using var server = await StartAsync(broker.Address);
        await server.AddAsync("m", "1", await server.UploadAsync("add_sub_int32"));
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 2).Select(_ => LoadAsync(server, stop.Token)));
        await UntilAsync(server, page => page[Delivered] > 200);
        broker.Tell("down");
        var before = (await MetricsPage.ReadAsync(server.Host.MetricsAddress!))[Waiting];
        await UntilAsync(server, page => page[Waiting] > before + 500);
        broker.Tell("up");
        var until = (await MetricsPage.ReadAsync(server.Host.MetricsAddress!))[Delivered] + 500;
        await UntilAsync(server, page => page[Delivered] > until);
        await stop.CancelAsync();
        var calls = (await load).Sum();
        await UntilAsync(server, page => page[Taken] == calls && page[Waiting] == 0);

        var last = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        var read = (await broker.ReadAsync()).Sum(message => message.Records.GetArrayLength());
        Assert.Equal(calls, last[Taken]);
        Assert.Equal(calls, read + last[Dropped]);
        Assert.Equal(read, last[Delivered]);
    }

    [Fact]
    public async Task NoBroker_ServingGoesOn_AndRecordsAreDroppedAndCounted_UntilThereIsOne()
    {
        if (!Broker.IsThere)
            return;

        // A port that nobody listens on, and a time that is soon over.
        await using var server = await StartAsync("127.0.0.1:1", ("message.timeout.ms", "300"));
        await server.AddAsync("m", "1", await server.UploadAsync("add_sub_int32"));
        for (var i = 0; i < 20; i++)
            Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        await UntilAsync(server, page => page[Dropped] == 20 && page[Waiting] == 0);
        using var broker = await Broker.StartAsync();
        await server.DoAsync("config", "--kafka-metric-server", broker.Address);
        await UntilAsync(server, page => page[Delivered] > 0, async () => Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status));
    }

    [Fact]
    public async Task LibraryMissing_IsSaid_AndServingGoesOn()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-kafka-").FullName;
        try
        {
            using var process = new ServerProcess(
                ["serve", "--model-repository", Directory.CreateDirectory(Path.Combine(folder, "models")).FullName, "--grpc-port", "0", "--http-port", "0", "--metrics-port", "0", "--warm-up", "false"],
                ("SLUICE_CONTROL_PLANE", "true"), ("SLUICE_SERVE_PORT", "0"), ("SLUICE_SERVE_ADDRESS", "127.0.0.1"), ("SLUICE_DATA_FOLDER", Path.Combine(folder, "data")),
                ("SLUICE_LIBRDKAFKA_LIBRARY", "/nowhere/librdkafka.so.1"), ("CLEARML_DEFAULT_KAFKA_SERVE_URL", "127.0.0.1:9"));
            var grpc = new Uri($"http://127.0.0.1:{(await process.GrpcAddressAsync()).Port}");
            await process.LoggedAsync("Ready after");
            await CallAsync(grpc, await process.ServeAddressAsync());
            await process.LoggedAsync("librdkafka cannot be loaded; install it (Debian: librdkafka1)");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task CallAsync(Uri grpc, Uri serve)
    {
        var service = (await DoAsync(grpc, "create", "--name", "k")).Split("id=")[1].Trim();
        var uploaded = await DoAsync(
            grpc, "--id", service, "model", "upload", "--name", "a", "--project", "p", "--path", ControlledServer.Model("add_sub_int32"));
        var model = ControlledServer.ModelIdText().Match(uploaded).Groups[1].Value;
        await DoAsync(grpc, "--id", service, "model", "add", "--engine", "triton", "--endpoint", "m", "--model-id", model);
        await DoAsync(grpc, "--id", service, "endpoint", "status", "--wait", "60");
        using var http = new HttpClient { BaseAddress = serve };
        using var content = new StringContent(Request, System.Text.Encoding.UTF8, "application/json");
        using var response = await http.PostAsync("/serve/m", content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static async Task<string> DoAsync(Uri grpc, params string[] words)
    {
        using var output = new StringWriter();
        var code = await new ControlCommandLine("sluice", TextReader.Null, output, output).RunAsync(
            ["--server", grpc.ToString(), .. words], CancellationToken.None);
        Assert.True(code == 0, output.ToString());
        return output.ToString();
    }

    private static async Task<ControlledServer> StartAsync(string kafka = "", params (string Name, string Value)[] settings)
    {
        var server = await ControlledServer.StartAsync(null, options => options with
        {
            Metrics = new IPEndPoint(IPAddress.Loopback, 0),
            Statistics = new StatisticsOptions { KafkaServer = kafka, Kafka = new KafkaOptions { Settings = [.. settings], DrainLimit = TimeSpan.FromSeconds(1) } },
        });
        await server.CreateServiceAsync();
        return server;
    }

    private static async Task<int> LoadAsync(ControlledServer server, CancellationToken stop)
    {
        var count = 0;
        for (; !stop.IsCancellationRequested; count++)
            Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        return count;
    }

    private static async Task UntilAsync(ControlledServer server, Func<MetricsPage, bool> isRight, Func<Task>? call = null)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            if (call is not null)
                await call();
            var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
            if (isRight(page))
                return;
            Assert.True(Stopwatch.GetElapsedTime(began) < ServerFixture.Patience, page.Text[Math.Max(0, page.Text.Length - 3000)..]);
        }
    }

    /// <summary>A broker in a process of its own, and kcat to read what it has.</summary>
    private sealed class Broker : IDisposable
    {
        private const string Reader = "/usr/bin/kcat";

        private static readonly string Program = Path.GetFullPath(Path.Combine(
            Sluice.Testing.GoldenSet.FolderOf("onnx"), "..", "..", "..", "..", "build", "tests", "clients", "kafka", "kafka_broker"));

        private readonly Process _process = Process.Start(
            new ProcessStartInfo(Program) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

        public static bool IsThere
        {
            get
            {
                if (File.Exists(Program) && File.Exists(Reader))
                    return true;
                Assert.True(
                    string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")),
                    $"{Program} or {Reader} is not there: run scripts/install-test.sh and build the C++ part");
                return false;
            }
        }

        public string Address { get; private set; } = "";

        public static async Task<Broker> StartAsync()
        {
            var broker = new Broker();
            broker.Address = (await broker._process.StandardOutput.ReadLineAsync())!;
            return broker;
        }

        public void Tell(string word)
        {
            _process.StandardInput.WriteLine(word);
            Assert.Equal(word, _process.StandardOutput.ReadLine());
        }

        /// <summary>Reads all messages from the beginning.</summary>
        public async Task<List<(string Key, JsonElement Records)>> ReadAsync()
        {
            var text = await ForeignProgram.RunAsync(
                Reader, "-C", "-q", "-b", Address, "-t", "clearml_inference_stats", "-o", "beginning", "-e", "-f", "%k\\t%s\\n");
            return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'))
                .Select(parts => (parts[0], JsonElement.Parse(parts[1])))];
        }

        public void Dispose()
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
                _process.Kill();
            _process.Dispose();
        }
    }
}
