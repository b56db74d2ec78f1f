namespace Sluice.Rest.Routing;

/// <summary>Finds the routes of a path; immutable.</summary>
/// <remarks>Earlier patterns win, so a literal segment is listed before a placeholder in its place.</remarks>
public sealed class RestRouter
{
    private readonly (string[] Segments, RestRoute[] Routes)[] _patterns;

    /// <summary>Builds the table.</summary>
    public RestRouter(IEnumerable<RestRoute> routes) =>
        _patterns = [.. routes.GroupBy(route => route.Pattern).Select(group => (group.Key.Split('/')[1..], group.ToArray()))];

    /// <summary>Reads a target: segments are percent-decoded one by one, so a name may hold an encoded slash.</summary>
    internal RestTarget Parse(string target)
    {
        var path = PathOf(target);
        if (!path.StartsWith('/'))
            return RestTarget.Unknown;
        var segments = path.Split('/')[1..];
        foreach (var (pattern, routes) in _patterns)
        {
            if (pattern.Length == segments.Length && TryMatch(pattern, segments, routes) is { } found)
                return found;
        }

        return RestTarget.Unknown;
    }

    private static string PathOf(string target)
    {
        // A proxy may send the absolute form, http://host/path (RFC 9112, 3.2.2).
        var scheme = target.StartsWith('/') ? -1 : target.IndexOf("://", StringComparison.Ordinal);
        var start = scheme < 0 ? 0 : target.IndexOf('/', scheme + 3);
        var path = start < 0 ? "/" : target[start..];
        var query = path.IndexOf('?', StringComparison.Ordinal);
        return query < 0 ? path : path[..query];
    }

    private static RestTarget? TryMatch(string[] pattern, string[] segments, RestRoute[] routes)
    {
        var (model, version, repository, region) = ("", "", "", "");
        for (var i = 0; i < pattern.Length; i++)
        {
            var segment = Uri.UnescapeDataString(segments[i]);
            switch (pattern[i])
            {
                case "{model}" when segment.Length > 0:
                    model = segment;
                    break;
                case "{version}" when segment.Length > 0 && segment.All(char.IsAsciiDigit):
                    version = segment;
                    break;
                case "{repository}" when segment.Length > 0:
                    repository = segment;
                    break;
                case "{region}" when segment.Length > 0:
                    region = segment;
                    break;
                default:
                    if (segment != pattern[i])
                        return null;
                    break;
            }
        }

        return new RestTarget(routes, model, version, repository, region);
    }
}
