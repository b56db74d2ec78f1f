using Google.Protobuf.Reflection;
using Sluice.Protocol.Annotations;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;

namespace Sluice.Rest.Transcoding;

/// <summary>One HTTP form of one method.</summary>
/// <param name="HttpMethod">Such as <c>GET</c>.</param>
/// <param name="Pattern">Its path, with the field names of variables.</param>
/// <param name="Body">Field that the body fills; "*" = the whole message; empty = none.</param>
/// <param name="Method">The method's descriptor.</param>
/// <param name="Handler">The method that serves it.</param>
internal sealed record HttpBinding(string HttpMethod, string Pattern, string Body, MethodDescriptor Method, RpcMethod Handler)
{
    /// <summary>Names of the path's variables.</summary>
    public IEnumerable<string> Variables => Pattern.Split('/').Where(segment => segment.StartsWith('{'))
        .Select(segment => segment[1..segment.IndexOfAny(['}', '='])]);
}

/// <summary>Reads the HTTP forms out of the contracts.</summary>
internal static class HttpRules
{
    /// <summary>Lists the forms of all methods that are served and have one; verbs stand before the placeholders they end.</summary>
    public static IReadOnlyList<HttpBinding> Read(MethodTable methods, IEnumerable<FileDescriptor> files)
    {
        var bindings = new List<HttpBinding>();
        foreach (var method in files.SelectMany(file => file.Services).SelectMany(service => service.Methods))
        {
            var rule = method.GetOptions()?.GetExtension(AnnotationsExtensions.Http);
            if (rule is null || methods.Find($"/{method.Service.FullName}/{method.Name}") is not { } handler)
                continue;
            bindings.AddRange(rule.AdditionalBindings.Prepend(rule).Select(form => Bind(form, method, handler)));
        }

        return [.. bindings.OrderByDescending(binding => binding.Pattern.Contains("}:", StringComparison.Ordinal))];
    }

    private static HttpBinding Bind(HttpRule rule, MethodDescriptor method, RpcMethod handler)
    {
        var (http, pattern) = rule.PatternCase switch
        {
            HttpRule.PatternOneofCase.Get => ("GET", rule.Get),
            HttpRule.PatternOneofCase.Put => ("PUT", rule.Put),
            HttpRule.PatternOneofCase.Post => ("POST", rule.Post),
            HttpRule.PatternOneofCase.Delete => ("DELETE", rule.Delete),
            HttpRule.PatternOneofCase.Patch => ("PATCH", rule.Patch),
            HttpRule.PatternOneofCase.Custom => (rule.Custom.Kind, rule.Custom.Path),
            _ => throw new InvalidOperationException($"{method.FullName} has an HTTP form without a path"),
        };
        return new HttpBinding(http, pattern, rule.Body, method, handler);
    }
}
