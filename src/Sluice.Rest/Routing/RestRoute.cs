using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rpc.Access;

namespace Sluice.Rest.Routing;

/// <summary>Serves one call: reads its body, sends its response; throws for a status.</summary>
public delegate ValueTask RestHandler(RestCall call);

/// <summary>Writes the JSON body of an error.</summary>
/// <param name="output">Where it goes.</param>
/// <param name="code">The status in gRPC's terms.</param>
/// <param name="message">What went wrong.</param>
public delegate void RestErrorBody(System.Buffers.IBufferWriter<byte> output, InferenceCode code, string message);

/// <summary>One method on one path.</summary>
/// <param name="Method">Such as <c>GET</c>.</param>
/// <param name="Pattern">Segments; <c>{model}</c>, <c>{repository}</c> and <c>{region}</c> take any segment, <c>{version}</c> digits, any
/// other name any segment, <c>{name=**}</c> all that are left. A last segment may end with <c>:verb</c>. Variables are read by
/// <see cref="RestCallAccess.Variable"/>.</param>
/// <param name="Handler">Serves it.</param>
public sealed record RestRoute(string Method, string Pattern, RestHandler Handler)
{
    /// <summary>What a caller needs permission for, where callers are asked who they are.</summary>
    public AccessScope Scope { get; init; } = AccessTable.OfRoute(Method, Pattern);

    /// <summary>What a caller must send; null = nothing (default).</summary>
    public RequiredHeader? RequiredHeader { get; init; }

    /// <summary>Writes the bodies of its errors; null = <c>{"error": …}</c> (default).</summary>
    public RestErrorBody? ErrorBody { get; init; }

    /// <summary>Creates a route that answers GET with text.</summary>
    /// <param name="pattern">The path.</param>
    /// <param name="contentType">The response's content type.</param>
    /// <param name="write">Writes the response's body.</param>
    public static RestRoute Text(string pattern, string contentType, Action<System.Buffers.IBufferWriter<byte>> write) =>
        new("GET", pattern, call =>
        {
            write(call.Output);
            return call.SendAsync(contentType);
        });
}
