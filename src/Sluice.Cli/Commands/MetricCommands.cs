using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>metrics add</c>, <c>metrics remove</c> and <c>metrics list</c> (spec clearml §1.5–1.7).</summary>
internal static class MetricCommands
{
    public static CommandSpec Group { get; } = new("metrics", "Say what is measured at endpoints.")
    {
        Commands =
        [
            new("add", "Add or change what is measured at an endpoint.")
            {
                Path = "metrics add",
                Options =
                [
                    OptionSpec.One("--endpoint", "Endpoint with its version, or the beginning of several followed by *.", isRequired: true),
                    OptionSpec.One("--log-freq", "Share of requests, 0 to 1. Default: the service's.") with { Check = ArgumentParser.Number },
                    OptionSpec.Many("--variable-scalar", "NAME=BOUND,BOUND,... or NAME=MIN/MAX/COUNT: a histogram."),
                    OptionSpec.Many("--variable-enum", "NAME=VALUE,VALUE,...: how often each value comes."),
                    OptionSpec.Many("--variable-value", "NAME: the last value."),
                    OptionSpec.Many("--variable-counter", "NAME: the sum of all values."),
                    OptionSpec.Flag("--replace", "Drop what was measured there before."),
                ],
                Run = AddAsync,
            },
            new("remove", "Remove what is measured at an endpoint.")
            {
                Path = "metrics remove",
                Options =
                [
                    OptionSpec.One("--endpoint", "As it was added."),
                    OptionSpec.Many("--variable", "Variables to remove. Default: all of the endpoint."),
                ],
                Run = RemoveAsync,
            },
            new("list", "List what is measured.") { Path = "metrics list", Run = ListAsync },
        ],
    };

    private static async Task<int> AddAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        var endpoint = context.Arguments.One("--endpoint")!.Trim('/');
        context.Output.Line($"Serving service Task {service.Id}, Adding Metric logging endpoint '/{endpoint}/'");
        var metric = new MetricLogging { Endpoint = endpoint };
        if (context.Arguments.Number("--log-freq") is { } frequency)
            metric.LogFrequency = frequency;
        foreach (var text in context.Arguments.Many("--variable-scalar"))
            Add(context, metric, Split(text, "scalar"), values => new MetricVariable { Type = "scalar", Buckets = Bounds(text, values) });
        foreach (var text in context.Arguments.Many("--variable-enum"))
            Add(context, metric, Split(text, "enum"), values => new MetricVariable { Type = "enum", Buckets = Texts(values) });
        foreach (var name in context.Arguments.Many("--variable-value"))
            Add(context, metric, (name, ""), _ => new MetricVariable { Type = "value" });
        foreach (var name in context.Arguments.Many("--variable-counter"))
            Add(context, metric, (name, ""), _ => new MetricVariable { Type = "counter" });
        await Edits.ReadAsync(context, service).ConfigureAwait(false);
        var edited = await context.Control.CallAsync<EditResponse>(
            "Metrics/PutMetricLogging",
            new PutMetricLoggingRequest { ServiceId = service.Id, Metric = metric, Replaces = context.Arguments.Has("--replace") },
            context.CancellationToken).ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }

    private static async Task<int> RemoveAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        var endpoint = context.Arguments.One("--endpoint")?.Trim('/')
            ?? throw new CommandException("name the endpoint by --endpoint");
        context.Output.Line($"Serving service Task {service.Id}, Removing metrics from endpoint={endpoint}");
        await Edits.ReadAsync(context, service).ConfigureAwait(false);
        var request = new DeleteMetricLoggingRequest { ServiceId = service.Id, Key = endpoint };
        request.Variables.AddRange(context.Arguments.Many("--variable"));
        var edited = await context.Control.CallAsync<EditResponse>("Metrics/DeleteMetricLogging", request, context.CancellationToken)
            .ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }

    private static async Task<int> ListAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        context.Output.Line($"List endpoint metrics, control task id={service.Id}");
        var state = await Edits.ReadAsync(context, service).ConfigureAwait(false);
        context.Output.Block("Logged Metrics:", json => json.WriteMap(state.Metrics, metric => metric.Endpoint, RecordJson.Write));
        context.Output.Json(json => json.WriteMap(state.Metrics, metric => metric.Endpoint, RecordJson.Write));
        return 0;
    }

    private static (string Name, string Values) Split(string text, string kind)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? (text[..equals].Trim(), text[(equals + 1)..])
            : throw new CommandException($"--variable-{kind} '{text}' must look like {(kind == "scalar" ? "name=0,0.5,1 or name=0/1/10" : "name=a,b,c")}");
    }

    private static void Add(CommandContext context, MetricLogging metric, (string Name, string Values) given, Func<string, MetricVariable> create)
    {
        if (metric.Metrics.ContainsKey(given.Name))
            context.Output.Notice($"Warning: variable '{given.Name}' is given twice, the last one counts");
        metric.Metrics[given.Name] = create(given.Values);
    }

    /// <summary>Bounds one by one, or as many of the same width between two.</summary>
    private static ListValue Bounds(string text, string values)
    {
        var parts = values.Split('/');
        if (parts.Length == 3)
        {
            var (least, most, count) = (Number(parts[0]), Number(parts[1]), Number(parts[2]));
            if (count is < 1 or > 1000 || count != Math.Floor(count) || most <= least)
                throw new CommandException($"--variable-scalar '{text}': needs MIN/MAX/COUNT with MIN below MAX and a COUNT of 1 to 1000");
            return Numbers(Enumerable.Range(1, (int)count).Select(i => least + ((most - least) * i / count)));
        }

        return Numbers(values.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number));

        double Number(string part) => double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new CommandException($"--variable-scalar '{text}': '{part}' is no number");
    }

    private static ListValue Numbers(IEnumerable<double> numbers)
    {
        var list = new ListValue();
        list.Values.AddRange(numbers.Select(Value.ForNumber));
        return list;
    }

    private static ListValue Texts(string values)
    {
        var list = new ListValue();
        list.Values.AddRange(values.Split(',').Select(value => Value.ForString(value.Trim())));
        return list;
    }
}
