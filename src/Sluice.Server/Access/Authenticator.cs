using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Rpc.Access;

namespace Sluice.Server.Access;

/// <summary>Knows callers by API keys and JSON web tokens; keys are read anew when their files change.</summary>
/// <remarks>
/// <para><c>Bearer</c> takes either kind and the tokens of <see cref="Login"/>, <c>Basic</c> an API key as its password. What was right once is remembered under
/// the hash of the header until it expires or the keys change.</para>
/// <para><b>Threads.</b> Any number of callers; none of them waits for a file: a timer looks at the files.</para>
/// </remarks>
public sealed class Authenticator : IAuthenticator, IDisposable
{
    private const int LongestHeader = 16 * 1024;
    private const int MostRemembered = 16 * 1024;
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";

    private static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(1);

    private readonly AuthOptions _options;
    private readonly LoginTokens _logins;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private int _isLooking;
    private string _stamp;
    private string _refusal = "";
    private volatile Snapshot _current;

    /// <summary>Reads the keys.</summary>
    /// <exception cref="IOException">A file cannot be read or is wrong.</exception>
    public Authenticator(AuthOptions options, LoginTokens logins, TimeProvider time, ILogger<Authenticator> logger)
    {
        _options = options;
        _logins = logins;
        _time = time;
        _logger = logger;
        _stamp = Stamp();
        _current = new Snapshot(options, logins);
        _timer = time.CreateTimer(static keys => ((Authenticator)keys!).Refresh(), this, LookPeriod, LookPeriod);
    }

    /// <inheritdoc/>
    public AccessScope OpenScopes => _options.OpenScopes;

    /// <inheritdoc/>
    public CallerIdentity? Authenticate(string? authorization)
    {
        if (authorization is not { Length: > 0 and <= LongestHeader })
            return null;
        var current = _current;
        var key = HeaderKey.Of(authorization);
        if (current.Known.TryGetValue(key, out var known) && known.Expires > _time.GetUtcNow())
            return known.Caller;
        var caller = current.Check(authorization, out var expires);
        if (caller is null || expires <= _time.GetUtcNow())
            return null;
        if (current.Known.Count >= MostRemembered)
            current.Known.Clear();
        current.Known[key] = (caller, expires);
        return caller;
    }

    /// <summary>Gives a caller a token for its credentials: a new one for an API key or such a token, a JSON web token as it is.</summary>
    /// <param name="authorization">The header; null when there is none.</param>
    /// <param name="lifetime">Of a new token.</param>
    /// <returns>Null when the credentials are missing or wrong.</returns>
    /// <exception cref="InferenceException"><see cref="InferenceCode.Unavailable"/>: nothing can be signed yet.</exception>
    public string? Login(string? authorization, TimeSpan lifetime)
    {
        if (string.IsNullOrEmpty(authorization))
            return null;
        var (current, now) = (_current, _time.GetUtcNow());
        if (current.FindKey(authorization) is { } match)
            return match.Expires > now ? _logins.Issue(match.Key.Caller.Name, match.Key.Hash, lifetime, match.Begun) : null;
        return current.Check(authorization, out var expires) is not null && expires > now ? authorization[Bearer.Length..].Trim() : null;
    }

    /// <summary>Stops looking at the files.</summary>
    public void Dispose() => _timer.Dispose();

    private void Refresh()
    {
        if (Interlocked.Exchange(ref _isLooking, 1) != 0)
            return;
        try
        {
            var stamp = Stamp();
            if (stamp == _stamp)
                return;
            _current = new Snapshot(_options, _logins);
            _stamp = stamp;
            _refusal = "";
        }
        catch (Exception error)
        {
            // Whatever is wrong with a file, the server goes on with what it knows.
            if (error.Message != _refusal)
                ServerLog.KeysRefused(_logger, error.Message);
            _refusal = error.Message;
        }
        finally
        {
            Volatile.Write(ref _isLooking, 0);
        }
    }

    private string Stamp() => string.Join('|', new[] { _options.ApiKeysPath, _options.JwtKeysPath }
        .Where(path => path.Length > 0).Select(path => new FileInfo(path)).Select(file => file.Exists ? $"{file.LastWriteTimeUtc.Ticks} {file.Length}" : ""));

    /// <summary>A header's SHA-256: looking one up tells nothing about others, and no secret is kept.</summary>
    private readonly record struct HeaderKey(UInt128 High, UInt128 Low)
    {
        public static HeaderKey Of(string header)
        {
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(MemoryMarshal.AsBytes(header.AsSpan()), hash);
            return MemoryMarshal.Read<HeaderKey>(hash);
        }
    }

    /// <summary>The keys of the moment, with the callers that they let in.</summary>
    private sealed class Snapshot(AuthOptions options, LoginTokens logins)
    {
        private readonly ApiKeys? _keys = options.ApiKeysPath.Length > 0 ? ApiKeys.Read(options.ApiKeysPath) : null;
        private readonly WebTokens? _tokens = options.JwtKeysPath.Length > 0 ? WebTokens.Read(options) : null;

        public ConcurrentDictionary<HeaderKey, (CallerIdentity Caller, DateTimeOffset Expires)> Known { get; } = new();

        public CallerIdentity? Check(string authorization, out DateTimeOffset expires)
        {
            if (FindKey(authorization) is { } match)
            {
                expires = match.Expires;
                return match.Key.Caller;
            }

            expires = DateTimeOffset.MaxValue;
            return _tokens is not null && Token(authorization) is { } token && IsWebToken(token) ? _tokens.Check(token, out expires) : null;
        }

        /// <summary>Finds the API key that is meant: itself, or by a token that was given for it.</summary>
        public KeyMatch? FindKey(string authorization)
        {
            if (_keys is null)
                return null;
            if (authorization.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
                return Password(authorization[Basic.Length..].Trim()) is { } password ? Shown(password) : null;
            if (Token(authorization) is not { } token)
                return null;
            return Shown(token) ?? (IsWebToken(token) ? logins.Find(token, _keys) : null);
        }

        private KeyMatch? Shown(string text) => _keys!.Find(text) is { } key ? new KeyMatch(key, DateTimeOffset.MaxValue, null) : null;

        private static string? Token(string authorization) =>
            authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? authorization[Bearer.Length..].Trim() : null;

        private static bool IsWebToken(string token) => token.Count(c => c == '.') == 2;

        private static string? Password(string credentials)
        {
            var bytes = new byte[credentials.Length];
            if (!Convert.TryFromBase64String(credentials, bytes, out var length))
                return null;
            var text = Encoding.UTF8.GetString(bytes, 0, length);
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            return colon < 0 ? null : text[(colon + 1)..];
        }
    }
}
