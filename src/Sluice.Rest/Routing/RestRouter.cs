namespace Sluice.Rest.Routing;

/// <summary>Finds the routes of a path; immutable.</summary>
/// <remarks>Earlier patterns win, so a literal segment is listed before a placeholder in its place.</remarks>
public sealed class RestRouter
{
    private readonly (string[] Segments, RestRoute[] Routes)[] _patterns;
    private readonly RestTarget _unknown;

    /// <summary>Builds the table.</summary>
    /// <param name="routes">All routes.</param>
    /// <param name="errorBody">Writes the error of a path without a route; null = <c>{"error": …}</c>.</param>
    public RestRouter(IEnumerable<RestRoute> routes, RestErrorBody? errorBody = null)
    {
        _patterns = [.. routes.GroupBy(route => route.Pattern).Select(group => (group.Key.Split('/')[1..], group.ToArray()))];
        _unknown = new RestTarget([], "", "", "", "") { ErrorBody = errorBody };
    }

    /// <summary>Reads a target: segments are percent-decoded one by one, so a name may hold an encoded slash.</summary>
    internal RestTarget Parse(string target)
    {
        var path = PathOf(target);
        if (!path.StartsWith('/'))
            return _unknown;
        var segments = path.Split('/')[1..];
        var query = target.IndexOf('?', StringComparison.Ordinal) is var mark and >= 0 ? target[(mark + 1)..] : "";
        foreach (var (pattern, routes) in _patterns)
        {
            if ((pattern.Length == segments.Length || (pattern.Length < segments.Length && pattern[^1].EndsWith("=**}", StringComparison.Ordinal))) &&
                TryMatch(pattern, segments, routes, query) is { } found)
                return found;
        }

        return _unknown;
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

    private static RestTarget? TryMatch(string[] pattern, string[] segments, RestRoute[] routes, string query)
    {
        List<KeyValuePair<string, string>>? variables = null;
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
                case "{model}" or "{version}" or "{repository}" or "{region}":
                    return null;
                case ['{', ..]:
                    if (TryBind(pattern[i], segments.AsSpan(i)) is not { } variable)
                        return null;
                    (variables ??= []).Add(variable);
                    break;
                default:
                    if (segment != pattern[i])
                        return null;
                    break;
            }
        }

        return new RestTarget(routes, model, version, repository, region)
        {
            Variables = variables ?? [],
            Query = query,
            ErrorBody = routes[0].ErrorBody,
        };
    }

    /// <summary>Gives a placeholder its value: <c>{name}</c>, <c>{name=**}</c>, either with <c>:verb</c> behind it.</summary>
    private static KeyValuePair<string, string>? TryBind(string placeholder, ReadOnlySpan<string> segments)
    {
        var end = placeholder.IndexOf('}', StringComparison.Ordinal);
        var verb = placeholder[(end + 1)..];
        var name = placeholder[1..end];
        var takesRest = name.EndsWith("=**", StringComparison.Ordinal);
        var text = takesRest ? string.Join('/', segments!) : segments[0];
        if (!text.EndsWith(verb, StringComparison.Ordinal) || text.Length == verb.Length)
            return null;
        return KeyValuePair.Create(takesRest ? name[..^3] : name, Uri.UnescapeDataString(text[..^verb.Length]));
    }
}
