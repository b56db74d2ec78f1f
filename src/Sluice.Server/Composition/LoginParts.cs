using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Sluice.History.Api;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;
using Sluice.Rpc.Access;
using Sluice.Server.Access;

namespace Sluice.Server.Composition;

/// <summary>The call by which ClearML's SDK begins: credentials in, a token out that it sends with every other call.</summary>
internal static class LoginParts
{
    private const string Call = "auth.login";
    private const string Lifetime = "expiration_sec";
    private const int MostBytes = 4096;

    /// <param name="authenticator">Knows callers; null = nobody is asked, and everybody gets a token, which nobody looks at.</param>
    /// <param name="time">The clock.</param>
    public static IEnumerable<RestRoute> CreateRoutes(Authenticator? authenticator, TimeProvider time)
    {
        var secret = RandomNumberGenerator.GetBytes(SHA256.HashSizeInBytes);
        var tokens = new LoginTokens(() => secret, time);
        return from form in AccessTable.ClearMlForms(Call)
               select new RestRoute(form.Method, form.Path, call => LoginAsync(call, authenticator, tokens)) { ErrorBody = CallEnvelope.WriteError };
    }

    private static async ValueTask LoginAsync(RestCall call, Authenticator? authenticator, LoginTokens tokens)
    {
        // Nothing is read of callers that nobody knows.
        var authorization = call.Header("authorization");
        if (authenticator is not null && authenticator.Authenticate(authorization) is null)
            throw Unknown(call, authorization);
        if (call.Header("content-encoding") is not null || call.Header("transfer-encoding") is not null ||
            (call.Header("content-length") is { } length && !(int.TryParse(length, CultureInfo.InvariantCulture, out var bytes) && bytes <= MostBytes)))
            throw InferenceException.Invalid($"the body of {Call} must be plain and have {MostBytes} bytes at most, given before it");
        var lifetime = ReadLifetime(call, await call.ReadBytesAsync().ConfigureAwait(false));
        var token = authenticator is null ? tokens.Issue("anybody", [], lifetime, null) : authenticator.Login(authorization, lifetime);
        if (token is null)
            throw Unknown(call, authorization);
        CallEnvelope.Write(call.Output, Call, 200, 0, "OK", JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["token"] = token }));
        await call.SendJsonAsync(200).ConfigureAwait(false);
    }

    private static InferenceException Unknown(RestCall call, string? authorization)
    {
        call.SetHeader("WWW-Authenticate", "Bearer realm=\"sluice\"");
        return new InferenceException(
            InferenceCode.Unauthenticated,
            string.IsNullOrEmpty(authorization) ? AccessCheck.Missing : "credentials are not valid: the secret key must be an API key of this server");
    }

    /// <summary>The SDK sends it in the query, others in the body.</summary>
    private static TimeSpan ReadLifetime(RestCall call, byte[] body)
    {
        var text = call.Query().FirstOrDefault(pair => pair.Key == Lifetime).Value ?? ReadMember(body);
        if (string.IsNullOrEmpty(text))
            return LoginTokens.DefaultLifetime;
        return long.TryParse(text, CultureInfo.InvariantCulture, out var seconds) && seconds > 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, (long)LoginTokens.LongestLifetime.TotalSeconds))
            : throw InferenceException.Invalid($"'{Lifetime}' must be a whole number of seconds from 1 up, not '{text}'");
    }

    private static string? ReadMember(byte[] body)
    {
        if (body.Length == 0)
            return null;
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(Lifetime, out var value) &&
                value.ValueKind != JsonValueKind.Null
                    ? value.ToString()
                    : null;
        }
        catch (JsonException error)
        {
            throw InferenceException.Invalid($"the body is no JSON: {error.Message}");
        }
    }
}
