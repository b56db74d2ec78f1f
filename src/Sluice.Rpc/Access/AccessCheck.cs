using Sluice.Inference;

namespace Sluice.Rpc.Access;

/// <summary>Decides whether a call may go on; both front ends ask it.</summary>
public static class AccessCheck
{
    /// <summary>What a caller without credentials is told.</summary>
    public const string Missing = "credentials are missing: send an 'authorization' header";

    /// <summary>Checks a caller's credentials and its permission.</summary>
    /// <param name="authenticator">Who knows the callers.</param>
    /// <param name="needed">What the call needs.</param>
    /// <param name="authorization">The <c>authorization</c> header; null when absent.</param>
    /// <param name="caller">The caller; null when none was needed.</param>
    /// <param name="message">Why it may not.</param>
    /// <returns><see cref="InferenceCode.Ok"/>, <see cref="InferenceCode.Unauthenticated"/> or
    /// <see cref="InferenceCode.PermissionDenied"/>.</returns>
    public static InferenceCode Check(
        IAuthenticator authenticator, AccessScope needed, string? authorization, out CallerIdentity? caller, out string message)
    {
        caller = null;
        message = "";
        if ((needed & ~authenticator.OpenScopes) == 0)
            return InferenceCode.Ok;
        caller = authenticator.Authenticate(authorization);
        if (caller is null)
        {
            message = string.IsNullOrEmpty(authorization)
                ? Missing
                : "credentials are not valid";
            return InferenceCode.Unauthenticated;
        }

        if ((caller.Scopes & needed) == needed)
            return InferenceCode.Ok;
        message = $"caller '{caller.Name}' has no scope '{needed.ToString().ToLowerInvariant()}'";
        return InferenceCode.PermissionDenied;
    }
}
