using System.Collections.Frozen;
using Sluice.Rest.Routing;
using Sluice.Rpc.Access;
using Sluice.Rpc.Dispatch;

namespace Sluice.Server.Composition;

/// <summary>Puts the headers that restricted groups need before methods and routes.</summary>
internal static class AccessParts
{
    private const string GrpcPrefix = "triton-grpc-protocol-";

    /// <returns>What callers must send by path; null when nothing is restricted.</returns>
    public static FrozenDictionary<string, RequiredHeader>? OfMethods(ServerOptions options, MethodTable methods)
    {
        if (options.GrpcRestricted.IsEmpty)
            return null;
        var headers = options.GrpcRestricted.ToDictionary(
            group => group.Group, group => new RequiredHeader(GrpcPrefix + group.Key, group.Value));
        return methods.All.Where(method => ApiGroups.OfMethod(method.Name) is { } group && headers.ContainsKey(group))
            .ToFrozenDictionary(method => method.Path, method => headers[ApiGroups.OfMethod(method.Name)!]);
    }

    public static IEnumerable<RestRoute> Restrict(ServerOptions options, IEnumerable<RestRoute> routes)
    {
        var headers = options.HttpRestricted.ToDictionary(
            group => group.Group, group => new RequiredHeader(group.Key, group.Value));
        return routes.Select(route =>
            ApiGroups.OfRoute(route.Pattern) is { } group && headers.TryGetValue(group, out var header)
                ? route with { RequiredHeader = header }
                : route);
    }
}
