using Sluice.Inference;

namespace Sluice.Rpc.Access;

/// <summary>Finds out who a caller is, by the <c>authorization</c> header.</summary>
/// <remarks><b>Threads.</b> Any number of callers; a header that was seen before is looked up, not checked again.</remarks>
public interface IAuthenticator
{
    /// <summary>What needs no credentials.</summary>
    AccessScope OpenScopes { get; }

    /// <summary>Checks credentials.</summary>
    /// <param name="authorization">The header; null when there is none.</param>
    /// <returns>The caller; null when the credentials are missing or wrong.</returns>
    CallerIdentity? Authenticate(string? authorization);
}
