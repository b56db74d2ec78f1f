using System.Text;

namespace Sluice.Rest.Routing;

/// <summary>What a request's target means; immutable, so that a connection keeps it for the next request.</summary>
internal sealed class RestTarget
{
    /// <summary>A target that no route takes.</summary>
    public static readonly RestTarget Unknown = new([], "", "", "", "");

    public RestTarget(RestRoute[] routes, string model, string version, string repository, string region)
    {
        Routes = routes;
        Model = model;
        Version = version;
        Repository = repository;
        Region = region;
        ModelUtf8 = Encoding.UTF8.GetBytes(model);
        VersionUtf8 = Encoding.UTF8.GetBytes(version);
    }

    /// <summary>Routes of the path, one per method; empty when there is no such path.</summary>
    public RestRoute[] Routes { get; }

    public string Model { get; }

    public string Version { get; }

    public string Repository { get; }

    /// <summary>Name of a region of shared memory; empty when the path has none.</summary>
    public string Region { get; }

    /// <summary>Values of the path's other placeholders.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Variables { get; init; } = [];

    /// <summary>What follows the path's question mark, still encoded.</summary>
    public string Query { get; init; } = "";

    /// <summary>Writes the bodies of errors; null = <c>{"error": …}</c>.</summary>
    public RestErrorBody? ErrorBody { get; init; }

    public byte[] ModelUtf8 { get; }

    public byte[] VersionUtf8 { get; }

    public RestRoute? Find(string method)
    {
        foreach (var route in Routes)
        {
            if (route.Method == method)
                return route;
        }

        return null;
    }
}
