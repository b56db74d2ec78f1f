using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>Checks JSON web tokens by the keys of a file: HS256, RS256, ES256; immutable.</summary>
internal sealed class WebTokens
{
    private const int LeastSecretBytes = 32;

    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _parameters;

    private WebTokens(IEnumerable<SecurityKey> keys, AuthOptions options) => _parameters = new TokenValidationParameters
    {
        IssuerSigningKeys = keys,
        TryAllIssuerSigningKeys = true,
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256, SecurityAlgorithms.RsaSha256, SecurityAlgorithms.EcdsaSha256],
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        ClockSkew = ClockSkew,
        ValidateIssuer = options.JwtIssuer.Length > 0,
        ValidIssuer = options.JwtIssuer,
        ValidateAudience = options.JwtAudience.Length > 0,
        ValidAudience = options.JwtAudience,
    };

    /// <summary>Reads the keys.</summary>
    /// <exception cref="IOException">The file cannot be read or holds no usable key.</exception>
    public static WebTokens Read(AuthOptions options)
    {
        try
        {
            var keys = ReadKeys(options.JwtKeysPath);
            return keys.Count > 0 ? new WebTokens(keys, options) : throw new IOException($"{options.JwtKeysPath}: holds no key");
        }
        catch (Exception error) when (error is ArgumentException or CryptographicException or UnauthorizedAccessException)
        {
            throw new IOException($"{options.JwtKeysPath}: {error.Message}", error);
        }
    }

    /// <summary>Checks a token.</summary>
    /// <param name="token">Three parts with dots between.</param>
    /// <param name="expires">When it ends.</param>
    /// <returns>Its subject with its scopes; null when it is not valid.</returns>
    public CallerIdentity? Check(string token, out DateTimeOffset expires)
    {
        // Keys are at hand, so nothing is waited for.
        var result = _handler.ValidateTokenAsync(token, _parameters).GetAwaiter().GetResult();
        expires = default;
        if (!result.IsValid || result.SecurityToken is not JsonWebToken valid)
            return null;
        expires = new DateTimeOffset(valid.ValidTo, TimeSpan.Zero) + ClockSkew;
        var scopes = valid.Claims.Where(claim => claim.Type is "scope" or "scp")
            .SelectMany(claim => claim.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return CallerIdentity.Parse(string.IsNullOrEmpty(valid.Subject) ? "token" : valid.Subject, scopes, isStrict: false, out _);
    }

    private static List<SecurityKey> ReadKeys(string path)
    {
        var text = File.ReadAllText(path);
        if (text.TrimStart().StartsWith('{'))
            return [.. new JsonWebKeySet(text).Keys];
        if (text.Contains("-----BEGIN", StringComparison.Ordinal))
            return ReadPem(text);
        var secret = Encoding.UTF8.GetBytes(text.Trim());
        return secret.Length >= LeastSecretBytes
            ? [new SymmetricSecurityKey(secret)]
            : throw new IOException($"{path}: a shared secret must have {LeastSecretBytes} bytes or more, it has {secret.Length}");
    }

    private static List<SecurityKey> ReadPem(string text)
    {
        var keys = new List<SecurityKey>();
        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            var label = rest[fields.Label];
            var block = rest[fields.Location];
            if (label is "CERTIFICATE")
                keys.Add(new X509SecurityKey(X509Certificate2.CreateFromPem(block)));
            else if (label is "PUBLIC KEY" or "RSA PUBLIC KEY")
                keys.Add(ReadPublic(block));
            rest = rest[fields.Location.End..];
        }

        return keys;
    }

    private static AsymmetricSecurityKey ReadPublic(ReadOnlySpan<char> pem)
    {
        try
        {
            var rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            return new RsaSecurityKey(rsa);
        }
        catch (CryptographicException)
        {
            var curve = ECDsa.Create();
            curve.ImportFromPem(pem);
            return new ECDsaSecurityKey(curve);
        }
    }
}
