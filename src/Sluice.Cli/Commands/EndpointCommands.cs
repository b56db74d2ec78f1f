using System.Globalization;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>endpoint status</c>: how replicas stand with their endpoints.</summary>
internal static class EndpointCommands
{
    public static CommandSpec Group { get; } = new("endpoint", "See how endpoints stand.")
    {
        Commands =
        [
            new("status", "Show how each replica stands with each endpoint; exit code 1 when one has failed.")
            {
                Path = "endpoint status",
                Options =
                [
                    OptionSpec.One("--endpoint", "Only this one."),
                    OptionSpec.Flag("--watch", "Go on and show every change, until Ctrl-C."),
                    OptionSpec.One("--wait", "Wait up to so many seconds until all endpoints are ready.") with { Check = ArgumentParser.Number },
                ],
                Run = StatusAsync,
            },
        ],
    };

    private static async Task<int> StatusAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        var request = new ListEndpointStatusRequest
        {
            ServiceId = service.Id,
            Endpoint = context.Arguments.One("--endpoint")?.Trim('/') ?? "",
        };
        if (context.Arguments.Number("--wait") is { } seconds)
            return await WaitAsync(context, request, TimeSpan.FromSeconds(seconds)).ConfigureAwait(false);
        if (!context.Arguments.Has("--watch"))
        {
            var answer = await context.Control.CallAsync<ListEndpointStatusResponse>(
                "Endpoints/ListEndpointStatus", request, context.CancellationToken).ConfigureAwait(false);
            Show(context, answer);
            return answer.Statuses.Any(status => status.State == EndpointState.Failed) ? 1 : 0;
        }

        await foreach (var answer in context.Control.FollowAsync<ListEndpointStatusResponse>(
            "Endpoints/WatchEndpointStatus", request, context.CancellationToken).ConfigureAwait(false))
        {
            Show(context, answer);
            context.Output.Line("");
        }

        return 0;
    }

    /// <summary>Waits until every endpoint that is wanted is ready or has failed and none is on its way.</summary>
    private static async Task<int> WaitAsync(CommandContext context, ListEndpointStatusRequest request, TimeSpan limit)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        deadline.CancelAfter(limit);
        var wasSettled = false;
        while (true)
        {
            var state = await context.Control.CallAsync<DesiredState>(
                "Services/GetDesiredState", new GetDesiredStateRequest { ServiceId = request.ServiceId }, context.CancellationToken)
                .ConfigureAwait(false);
            var answer = await context.Control.CallAsync<ListEndpointStatusResponse>(
                "Endpoints/ListEndpointStatus", request, context.CancellationToken).ConfigureAwait(false);
            var wanted = request.Endpoint.Length > 0
                ? [request.Endpoint]
                : state.Endpoints.Select(endpoint => CodeUpload.Join(endpoint.ServingUrl, endpoint.Version)).ToList();
            var isSettled = wanted.TrueForAll(key => answer.Statuses.Any(status => status.Endpoint == key)) &&
                !answer.Statuses.Any(IsMoving);
            if ((isSettled && wasSettled) || deadline.IsCancellationRequested)
            {
                Show(context, answer);
                return isSettled && answer.Statuses.All(status => status is { State: EndpointState.Ready, Reason.Length: 0 }) ? 0 : 1;
            }

            // A replica may not have begun with the last change yet.
            wasSettled = isSettled;
            await Task.Delay(TimeSpan.FromMilliseconds(200), deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            context.CancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Something is being loaded or is going; also behind an endpoint that serves what it was.</summary>
    private static bool IsMoving(EndpointStatus status) =>
        status.State is not (EndpointState.Ready or EndpointState.Failed) || status.Reason.Contains("until the new one is loaded", StringComparison.Ordinal);

    private static void Show(CommandContext context, ListEndpointStatusResponse answer)
    {
        if (answer.Statuses.Count == 0)
            context.Output.Line("No replica has an endpoint of this service");
        foreach (var status in answer.Statuses)
        {
            var progress = status.State is EndpointState.Downloading or EndpointState.Loading && status.Progress > 0
                ? string.Create(CultureInfo.InvariantCulture, $" {100 * status.Progress:0} %")
                : "";
            context.Output.Line(
                $"{status.Endpoint}  {status.Replica}  {status.State.ToString().ToLowerInvariant()}{progress}" +
                (status.Reason.Length > 0 ? $": {status.Reason}" : ""));
        }

        context.Output.Json(json => json.Write(answer));
    }
}
