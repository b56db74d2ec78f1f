using System.Globalization;
using Sluice.Cli.Control;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model canary</c> (spec clearml §1.11).</summary>
internal static class ModelCanary
{
    public static CommandSpec Spec { get; } = new("canary", "Spread the calls of one name over endpoints by weight.")
    {
        Path = "model canary",
        Options =
        [
            OptionSpec.One("--endpoint", "The name that is called."),
            OptionSpec.Many("--weights", "One per endpoint; with a prefix the first is the newest version's.") with { Check = ArgumentParser.Number },
            OptionSpec.Many("--input-endpoints", "Endpoints with their versions, such as name/2 name/1."),
            OptionSpec.One("--input-endpoint-prefix", "All endpoints whose names begin so, newest first.").Also("--input-endpoints-prefix"),
            OptionSpec.One("--sticky-header", "Header whose value binds a caller to one endpoint."),
            OptionSpec.One("--sticky-key", "Key of the request's JSON object with the same use."),
        ],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var arguments = context.Arguments;
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        var name = arguments.One("--endpoint")?.Trim('/') ?? throw new CommandException("name the canary by --endpoint");
        if (arguments.Has("--input-endpoints") && arguments.Has("--input-endpoint-prefix"))
            throw new CommandException("give either --input-endpoints or --input-endpoint-prefix, not both");
        context.Output.Line($"Serving service Task {service.Id}, Adding canary endpoint '/{name}/'");
        await Edits.ReadAsync(context, service).ConfigureAwait(false);
        var canary = new Canary { Endpoint = name };
        canary.Weights.AddRange(arguments.Many("--weights").Select(weight => double.Parse(weight, CultureInfo.InvariantCulture)));
        canary.LoadEndpoints.AddRange(arguments.Many("--input-endpoints").Select(endpoint => endpoint.Trim('/')));
        if (arguments.One("--input-endpoint-prefix") is { } prefix)
            canary.LoadEndpointPrefix = prefix;
        if (arguments.One("--sticky-header") is { } header)
            canary.StickyHeader = header;
        if (arguments.One("--sticky-key") is { } key)
            canary.StickyKey = key;
        var edited = await context.Control.CallAsync<EditResponse>(
            "Canaries/PutCanary", new PutCanaryRequest { ServiceId = service.Id, Canary = canary }, context.CancellationToken)
            .ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }
}
