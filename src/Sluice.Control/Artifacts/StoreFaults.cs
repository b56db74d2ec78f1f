using System.Net;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>The one table from what object stores answer to our statuses.</summary>
internal static class StoreFaults
{
    /// <summary>Turns an HTTP status into a failure that names the address.</summary>
    /// <param name="uri">The object.</param>
    /// <param name="status">What the store answered; 0 = nothing.</param>
    /// <param name="detail">The store's own words.</param>
    /// <param name="credentials">Which settings have the credentials.</param>
    public static InferenceException FromStatus(ArtifactUri uri, HttpStatusCode status, string detail, string credentials) => status switch
    {
        HttpStatusCode.NotFound or HttpStatusCode.Gone =>
            new(InferenceCode.NotFound, $"'{uri.Text}' does not exist: {detail}"),
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new(
            InferenceCode.PermissionDenied, $"'{uri.Text}' may not be used: {detail}; check the credentials in {credentials}"),
        HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or 0 or >= HttpStatusCode.InternalServerError =>
            new(InferenceCode.Unavailable, $"the store of '{uri.Text}' cannot serve now: {detail}"),
        _ => InferenceException.Invalid($"the store of '{uri.Text}' refused the request with status {(int)status}: {detail}"),
    };

    /// <summary>Turns a broken connection or a time-out into a failure; null when it is something else.</summary>
    public static InferenceException? FromTransport(ArtifactUri uri, Exception error, CancellationToken cancellationToken) => error switch
    {
        HttpRequestException or IOException or TimeoutException =>
            new(InferenceCode.Unavailable, $"the store of '{uri.Text}' cannot be reached: {error.Message}", error),
        OperationCanceledException when !cancellationToken.IsCancellationRequested =>
            new(InferenceCode.Unavailable, $"the store of '{uri.Text}' did not answer in time", error),
        _ => null,
    };
}
