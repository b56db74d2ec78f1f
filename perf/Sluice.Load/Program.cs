using System.Text.Encodings.Web;
using System.Text.Json;
using Sluice.Load;
using Sluice.Load.Loops;
using Sluice.Load.Measuring;
using Sluice.Load.Scenarios;

if (args.Contains("--help") || args.Contains("-h"))
{
    Console.WriteLine(LoadOptions.Help);
    return 0;
}

try
{
    return await RunAsync(LoadOptions.Parse(args));
}
catch (FormatException error)
{
    await Console.Error.WriteLineAsync($"sluice-load: {error.Message}\nTry: sluice-load --help");
    return 2;
}
catch (IOException error)
{
    await Console.Error.WriteLineAsync($"sluice-load: {error.Message}");
    return 1;
}

static async Task<int> RunAsync(LoadOptions options)
{
    var json = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    var isWithinLimits = true;
    if (!options.IsJson)
        Console.WriteLine(LoadReport.TableHead);
    var runs = options.Rates.Count > 0
        ? options.Rates.Select(rate => (Concurrency: 0, Rate: rate))
        : options.Concurrency.Select(concurrency => (Concurrency: concurrency, Rate: 0.0));
    foreach (var (concurrency, rate) in runs)
    {
        await using var scenario = Create(options);
        var measurement = new Measurement(options);
        var watching = measurement.WatchCpuAsync();
        await (rate > 0
            ? OpenLoop.RunAsync(scenario, measurement, rate)
            : ClosedLoop.RunAsync(scenario, measurement, concurrency));
        await watching;
        var report = measurement.ToReport(options.Scenario, concurrency, rate);
        Console.WriteLine(options.IsJson ? JsonSerializer.Serialize(report, json) : report.ToTableLine());
        if (report.FirstError is not null)
            await Console.Error.WriteLineAsync($"sluice-load: the first of {report.Errors} errors: {report.FirstError}");
        isWithinLimits &= report.Requests > 0 && report.Errors <= options.MaxErrors &&
            report.P99Microseconds <= options.MaxP99Microseconds;
    }

    return isWithinLimits ? 0 : 1;
}

static ILoadScenario Create(LoadOptions options) => options.Scenario switch
{
    "grpc" => new GrpcUnaryScenario(options),
    "stream" => new GrpcStreamScenario(options),
    "http-json" => new HttpScenario(options, isBinary: false),
    "http-binary" => new HttpScenario(options, isBinary: true),
    _ => throw new FormatException($"there is no scenario '{options.Scenario}'"),
};
