using Sluice.Inference;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc.Dispatch;
using Sluice.Web;

namespace Sluice.Server.Composition;

/// <summary>Builds what the Model Endpoints page needs on the port of the control API.</summary>
internal static class PageParts
{
    private static readonly string[] PagePaths = ["/v2/models", "/v2/repository"];

    /// <summary>Creates the page's routes and, where there is v2 HTTP, those of models and repositories too: a page may call only the port that
    /// it came from. Shared memory, traces and logs stay with the port that they were given.</summary>
    /// <param name="options">Everything that can be set.</param>
    /// <param name="methods">All methods.</param>
    /// <param name="engine">Runs inference.</param>
    /// <param name="stages">Gets the times of requests.</param>
    public static IEnumerable<RestRoute> CreateRoutes(
        ServerOptions options, MethodTable methods, IInferenceEngine engine, FrontEndStages stages)
    {
        var about = new PageAbout(
            ServerOptions.ProductVersion, options.Auth.IsOn, "/" + EndpointParts.ServePath, HasModels: options.Http is not null);
        var models = options.Http is null ? [] : AccessParts.Restrict(options, V2Routes.Create(methods, engine, stages)).Where(IsOfThePage);
        return models.Concat(PageRoutes.Create(about));
    }

    private static bool IsOfThePage(RestRoute route) => Array.Exists(PagePaths, path => route.Pattern.StartsWith(path, StringComparison.Ordinal));
}
