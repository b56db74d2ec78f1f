using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>Tokens that callers get for an API key and send instead of it, as ClearML's SDK does.</summary>
/// <remarks>
/// <para>A token is signed with what the control plane's store shares and with the key's hash: every replica of the store takes it, also
/// after a restart; who can read only the store or only the file of keys can make none; it ends with its key, whose scopes it has.</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
/// <param name="secret">What replicas share; null = not known yet.</param>
/// <param name="time">The clock.</param>
public sealed class LoginTokens(Func<byte[]?> secret, TimeProvider time)
{
    private const string Issuer = "sluice-login";
    private const string Begun = "auth_time";

    // What stock clients read from a token of their own server; they make only calls that such a server has.
    private const string ApiVersion = "2.31";
    private const string ServerVersion = "2.0.0";
    private const string FeatureSet = "basic";

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };

    /// <summary>Lifetime of a token unless the caller asks for another. 1 day.</summary>
    public static TimeSpan DefaultLifetime { get; } = TimeSpan.FromDays(1);

    /// <summary>Longest time that tokens are good for without the key, renewed or not. 30 days.</summary>
    public static TimeSpan LongestLifetime { get; } = TimeSpan.FromDays(30);

    /// <summary>Makes a token.</summary>
    /// <param name="name">The caller.</param>
    /// <param name="keyHash">Its API key's hash; empty where nobody is asked for keys.</param>
    /// <param name="lifetime">Cut so that it ends <see cref="LongestLifetime"/> after <paramref name="since"/>.</param>
    /// <param name="since">When the key was shown, for a token that renews another; null = now.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.Unavailable"/>: the store has not been reached yet.</exception>
    public string Issue(string name, ReadOnlySpan<byte> keyHash, TimeSpan lifetime, DateTimeOffset? since)
    {
        var key = KeyOf(keyHash) ?? throw new InferenceException(
            InferenceCode.Unavailable, "the control plane's store cannot be used now, and tokens are signed with what it holds; try again later");
        var now = time.GetUtcNow();
        var begun = since ?? now;
        var ends = begun + LongestLifetime < now + lifetime ? begun + LongestLifetime : now + lifetime;
        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = ends.UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                ["sub"] = name,
                [Begun] = begun.ToUnixTimeSeconds(),
                ["api_version"] = ApiVersion,
                ["server_version"] = ServerVersion,
                ["feature_set"] = FeatureSet,
            },
            SigningCredentials = new SigningCredentials(key, SecurityAlgorithms.HmacSha256),
        });
    }

    /// <summary>Finds the API key that a token was made for.</summary>
    /// <param name="token">Three parts with dots between.</param>
    /// <param name="keys">Keys of now.</param>
    /// <returns>Null when it is none of these tokens, has ended, or its key is gone.</returns>
    internal KeyMatch? Find(string token, ApiKeys keys)
    {
        if (!_handler.CanReadToken(token) || ReadUnchecked(token) is not { Issuer: Issuer } unchecked_)
            return null;
        foreach (var candidate in keys.Named(unchecked_.Subject))
        {
            if (KeyOf(candidate.Hash) is not { } key || !IsValid(token, key))
                continue;
            var begun = unchecked_.TryGetPayloadValue<long>(Begun, out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds) : DateTimeOffset.MinValue;
            return new KeyMatch(candidate, new DateTimeOffset(unchecked_.ValidTo, TimeSpan.Zero), begun);
        }

        return null;
    }

    private JsonWebToken? ReadUnchecked(string token)
    {
        try
        {
            return _handler.ReadJsonWebToken(token);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private bool IsValid(string token, SecurityKey key)
    {
        var parameters = new TokenValidationParameters
        {
            IssuerSigningKey = key,
            TryAllIssuerSigningKeys = true,
            ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            ValidIssuer = Issuer,
            ValidateAudience = false,
            LifetimeValidator = (_, expires, _, _) => expires > time.GetUtcNow().UtcDateTime,
        };

        // The key is at hand, so nothing is waited for.
        return _handler.ValidateTokenAsync(token, parameters).GetAwaiter().GetResult().IsValid;
    }

    private SymmetricSecurityKey? KeyOf(ReadOnlySpan<byte> keyHash) => secret() is { } shared
        ? new SymmetricSecurityKey(HMACSHA256.HashData(shared, (ReadOnlySpan<byte>)[.. Encoding.UTF8.GetBytes(Issuer), .. keyHash]))
        : null;
}
