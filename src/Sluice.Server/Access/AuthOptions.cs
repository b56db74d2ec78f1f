using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>Who may call.</summary>
public sealed record AuthOptions
{
    /// <summary>File of API keys; empty = none.</summary>
    public string ApiKeysPath { get; init; } = "";

    /// <summary>File of keys that sign JSON web tokens: a key set, PEM, or a shared secret; empty = none.</summary>
    public string JwtKeysPath { get; init; } = "";

    /// <summary>The issuer that tokens must name; empty = any.</summary>
    public string JwtIssuer { get; init; } = "";

    /// <summary>The audience that tokens must name; empty = any.</summary>
    public string JwtAudience { get; init; } = "";

    /// <summary>What needs no credentials. Default health.</summary>
    public AccessScope OpenScopes { get; init; } = AccessScope.Health;

    /// <summary>Callers are asked who they are.</summary>
    public bool IsOn => ApiKeysPath.Length > 0 || JwtKeysPath.Length > 0;
}
