using Sluice.Inference;

namespace Sluice.Server;

/// <summary>Settings that say who may call.</summary>
internal static class AuthOptionTable
{
    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("auth-api-keys", "File of lines NAME:SHA256:SCOPES; scopes are infer, infer:PATTERN, metadata, control, health, by commas.", (o, v) => o with { Auth = o.Auth with { ApiKeysPath = v } }),
        new("auth-jwt-keys", "File of keys for tokens: a JSON key set, PEM public keys, or a shared secret of 32 bytes or more.", (o, v) => o with { Auth = o.Auth with { JwtKeysPath = v } }),
        new("auth-jwt-issuer", "Issuer that tokens must name. Default any.", (o, v) => o with { Auth = o.Auth with { JwtIssuer = v } }),
        new("auth-jwt-audience", "Audience that tokens must name. Default any.", (o, v) => o with { Auth = o.Auth with { JwtAudience = v } }),
        new("auth-open-scopes", "Scopes that need no credentials, by commas. Default health.", (o, v) => o with { Auth = o.Auth with { OpenScopes = Scopes(v) } }),
    ];

    private static AccessScope Scopes(string value)
    {
        var scopes = AccessScope.None;
        foreach (var name in value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var scope = CallerIdentity.Single(name);
            scopes |= scope != AccessScope.None ? scope : throw new FormatException("must be of health, metadata, infer, control");
        }

        return scopes;
    }
}
