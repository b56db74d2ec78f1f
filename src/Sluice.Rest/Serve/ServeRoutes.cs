using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;

namespace Sluice.Rest.Serve;

/// <summary>The routes by which endpoints are called: <c>POST /serve/name[/version]</c> (spec clearml §3.1), and health.</summary>
public static class ServeRoutes
{
    /// <summary>Creates them.</summary>
    /// <param name="calls">Calls endpoints by name.</param>
    /// <param name="suffix">First segments of the path, without slashes at its ends; usually <c>serve</c>.</param>
    /// <param name="raisedStatus">HTTP status of a call whose code raises an exception that is no <c>ValueError</c>.</param>
    /// <param name="isReady">Says whether the server takes calls.</param>
    /// <param name="find">Says whether an endpoint, or a canary, can be called; null = there is none.</param>
    public static IEnumerable<RestRoute> Create(
        IEndpointCalls calls, string suffix, int raisedStatus, Func<bool> isReady, Func<string, bool?> find)
    {
        var handler = new ServeHandler(calls, raisedStatus);
        foreach (var name in new[] { $"/{suffix}/{{model}}", $"/{suffix}/{{model}}/{{serve_version}}" })
        {
            yield return Post(name, handler);
            yield return Post(name + "/", handler);
        }

        yield return Health("/health", _ => true);
        yield return Health("/health/live", _ => true);
        yield return Health("/health/ready", _ => isReady());
        yield return Health("/health/endpoints/{model}", call => find(call.Model));
        yield return Health("/health/endpoints/{model}/{serve_version}", call => find($"{call.Model}/{call.Variable(ServeHandler.VersionVariable)}"));
    }

    private static RestRoute Post(string pattern, ServeHandler handler) =>
        new("POST", pattern, handler.ServeAsync) { ErrorBody = ErrorBodies.Detail, Scope = AccessScope.Infer };

    private static RestRoute Health(string pattern, Func<RestCall, bool?> state) => new(
        "GET", pattern, call =>
        {
            if (state(call) is not { } isWell)
                call.SendError(404, $"Endpoint '{call.Model}' does not exist");
            else if (isWell)
                call.SendEmpty();
            else
                call.SendError(503, "not ready");
            return ValueTask.CompletedTask;
        })
    {
        ErrorBody = ErrorBodies.Detail,
        Scope = AccessScope.Health,
    };
}
