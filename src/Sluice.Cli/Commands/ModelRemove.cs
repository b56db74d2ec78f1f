using Sluice.Cli.Control;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model remove</c> (spec clearml §1.9): an endpoint, else an auto-update, else a canary of that name.</summary>
internal static class ModelRemove
{
    public static CommandSpec Spec { get; } = new("remove", "Remove an endpoint, an auto-update or a canary.")
    {
        Path = "model remove",
        Options =
        [
            OptionSpec.One("--endpoint", "Its name; of an endpoint with its version, such as name/1."),
            OptionSpec.One("--version", "The version, where it is not part of the name."),
        ],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        var name = context.Arguments.One("--endpoint") ?? throw new CommandException("name the endpoint by --endpoint");
        var key = CodeUpload.Join(name, context.Arguments.One("--version") ?? "");
        context.Output.Line($"Serving service Task {service.Id}, Removing Model endpoint={key}");
        var state = await Edits.ReadAsync(context, service).ConfigureAwait(false);
        EditResponse edited;
        if (state.Endpoints.Any(endpoint => CodeUpload.Join(endpoint.ServingUrl, endpoint.Version) == key))
        {
            edited = await context.Control.CallAsync<EditResponse>(
                "Endpoints/DeleteEndpoint", new DeleteEndpointRequest { ServiceId = service.Id, Key = key }, context.CancellationToken)
                .ConfigureAwait(false);
            context.Output.Line($"Removed static endpoint: {key}");
        }
        else if (state.Monitors.Any(monitor => monitor.BaseServingUrl == key))
        {
            edited = await context.Control.CallAsync<EditResponse>(
                "AutoUpdates/DeleteMonitor", new DeleteMonitorRequest { ServiceId = service.Id, Key = key }, context.CancellationToken)
                .ConfigureAwait(false);
            context.Output.Line($"Removed model monitoring endpoint: {key}");
        }
        else if (state.Canaries.Any(canary => canary.Endpoint == key))
        {
            edited = await context.Control.CallAsync<EditResponse>(
                "Canaries/DeleteCanary", new DeleteCanaryRequest { ServiceId = service.Id, Key = key }, context.CancellationToken)
                .ConfigureAwait(false);
            context.Output.Line($"Removed canary endpoint: {key}");
        }
        else
        {
            throw new CommandException($"Could not find endpoint '{key}' to remove; there is: {Known(state)}");
        }

        Edits.Report(context, edited, service.Id);
        return 0;
    }

    private static string Known(DesiredState state)
    {
        var names = state.Endpoints.Select(endpoint => CodeUpload.Join(endpoint.ServingUrl, endpoint.Version))
            .Concat(state.Monitors.Select(monitor => monitor.BaseServingUrl)).Concat(state.Canaries.Select(canary => canary.Endpoint))
            .Distinct(StringComparer.Ordinal).ToList();
        return names.Count == 0 ? "none" : string.Join(", ", names);
    }
}
