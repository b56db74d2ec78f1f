using Sluice.Cli.Output;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary>What commands that edit a service have in common.</summary>
internal static class Edits
{
    /// <summary>Reads a service's records and says which they are.</summary>
    public static async Task<DesiredState> ReadAsync(CommandContext context, Service service)
    {
        var state = await context.Control.CallAsync<DesiredState>(
            "Services/GetDesiredState", new GetDesiredStateRequest { ServiceId = service.Id }, context.CancellationToken).ConfigureAwait(false);
        context.Output.Line($"Info: syncing model endpoint configuration, state hash={Control.ControlClient.Hash(state)}");
        return state;
    }

    /// <summary>Says how an edit ended.</summary>
    public static void Report(CommandContext context, EditResponse edited, string serviceId)
    {
        foreach (var warning in edited.Warnings)
            context.Output.Notice($"Warning: {warning}");
        context.Output.Json(json => json.Write(edited));
        context.Output.Line($"Updating serving service [id={serviceId}] revision={edited.Revision}");
    }
}
