using System.Globalization;
using System.Net.Http.Headers;
using Sluice.Inference;
using Sluice.Protocol.Metadata;

namespace Sluice.Client.Calls;

/// <summary>Finds a call's status in a response: in the trailers, in the headers when there are no messages, or in HTTP's own.</summary>
internal static class ResponseStatus
{
    /// <summary>Looks at the headers.</summary>
    /// <exception cref="SluiceException">The call has failed already, or this is no gRPC response.</exception>
    public static void CheckHead(HttpResponseMessage response, RpcMetadata? received)
    {
        Collect(response.Headers, received);
        if (TryGet(response.Headers, "grpc-status", out _))
        {
            // Trailers-only: refused before any message, so UNAVAILABLE means that nothing was done.
            Throw(response.Headers, isTrailersOnly: true);
            return;
        }

        var status = (int)response.StatusCode;
        if (status != 200)
            throw new SluiceException(FromHttp(status), $"the server answered with HTTP status {status} instead of a gRPC status");
        var type = response.Content.Headers.ContentType?.MediaType;
        if (type is null || !type.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase))
            throw new SluiceException(InferenceCode.Unknown, $"the server answered with content-type '{type}', not application/grpc");
    }

    /// <summary>Looks at the trailers, which are there once the body has been read to its end.</summary>
    /// <exception cref="SluiceException">The call failed.</exception>
    public static void CheckTrailers(HttpResponseMessage response, RpcMetadata? received)
    {
        Collect(response.TrailingHeaders, received);
        if (TryGet(response.TrailingHeaders, "grpc-status", out _))
            Throw(response.TrailingHeaders, isTrailersOnly: false);
        else if (!TryGet(response.Headers, "grpc-status", out _))
            throw new SluiceException(InferenceCode.Unknown, "the response ended without a gRPC status");
    }

    /// <summary>Tells whether trailers with a failure are there.</summary>
    public static bool HasFailed(HttpResponseMessage response) =>
        TryGet(response.TrailingHeaders, "grpc-status", out var code) && code != "0";

    /// <summary>Maps HTTP's status as the gRPC documents do ("HTTP to gRPC Status Code Mapping").</summary>
    public static InferenceCode FromHttp(int status) => status switch
    {
        400 => InferenceCode.Internal,
        401 => InferenceCode.Unauthenticated,
        403 => InferenceCode.PermissionDenied,
        404 => InferenceCode.Unimplemented,
        429 or 502 or 503 or 504 => InferenceCode.Unavailable,
        _ => InferenceCode.Unknown,
    };

    private static void Throw(HttpHeaders headers, bool isTrailersOnly)
    {
        TryGet(headers, "grpc-status", out var text);
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            throw new SluiceException(InferenceCode.Unknown, $"the server sent grpc-status '{text}'");
        var code = number <= (int)InferenceCode.Unauthenticated ? (InferenceCode)number : InferenceCode.Unknown;
        if (code == InferenceCode.Ok)
            return;
        TryGet(headers, "grpc-message", out var message);
        var trailers = new RpcMetadata();
        Collect(headers, trailers);
        throw new SluiceException(code, StatusText.Decode(message))
        {
            Trailers = trailers,
            WasNotProcessed = code == InferenceCode.Unavailable && isTrailersOnly,
        };
    }

    private static bool TryGet(HttpHeaders headers, string name, out string value)
    {
        var isThere = headers.NonValidated.TryGetValues(name, out var values);
        value = isThere ? values.ToString() : "";
        return isThere;
    }

    private static void Collect(HttpHeaders headers, RpcMetadata? received)
    {
        if (received is null)
            return;
        foreach (var (name, values) in headers.NonValidated)
        {
            foreach (var value in values)
                received.AddReceived(name, value);
        }
    }
}
