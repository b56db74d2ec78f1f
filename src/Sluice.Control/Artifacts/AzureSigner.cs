using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Puts credentials on requests to Azure's blob storage: a shared key's signature, or a SAS token.</summary>
/// <remarks>Settings: AZURE_STORAGE_CONNECTION_STRING, else AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, of AZURE_STORAGE_ACCOUNT
/// where that is set. Without any of them requests are anonymous.</remarks>
internal sealed class AzureSigner
{
    /// <summary>Names of the settings, for messages.</summary>
    public const string Settings = "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING";

    private readonly string? _account;
    private readonly byte[]? _key;
    private readonly string _sas;

    public AzureSigner(Func<string, string?> settings)
    {
        var connection = (settings("AZURE_STORAGE_CONNECTION_STRING") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2)
            .ToDictionary(pair => pair[0].Trim(), pair => pair[1], StringComparer.OrdinalIgnoreCase);
        _account = connection.GetValueOrDefault("AccountName") ?? settings("AZURE_STORAGE_ACCOUNT");
        _sas = (connection.GetValueOrDefault("SharedAccessSignature") ?? settings("AZURE_STORAGE_SAS_TOKEN") ?? "").TrimStart('?');
        var key = connection.GetValueOrDefault("AccountKey") ?? settings("AZURE_STORAGE_KEY");
        try
        {
            _key = string.IsNullOrEmpty(key) ? null : Convert.FromBase64String(key);
        }
        catch (FormatException)
        {
            throw InferenceException.Invalid("AZURE_STORAGE_KEY is no base64 text");
        }
    }

    /// <summary>Adds the version, the date and the credentials; the request's other headers must be there already.</summary>
    public void Sign(HttpRequestMessage request, string account, DateTimeOffset now)
    {
        request.Headers.TryAddWithoutValidation("x-ms-version", "2021-08-06");
        request.Headers.TryAddWithoutValidation("x-ms-date", now.UtcDateTime.ToString("R", CultureInfo.InvariantCulture));
        if (_account is { Length: > 0 } && _account != account)
            return;
        if (_key is null)
        {
            if (_sas.Length > 0)
                request.RequestUri = new Uri(request.RequestUri! + (request.RequestUri!.Query.Length > 0 ? "&" : "?") + _sas);
            return;
        }

        var signature = Convert.ToBase64String(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(TextToSign(request, account))));
        request.Headers.TryAddWithoutValidation("Authorization", $"SharedKey {account}:{signature}");
    }

    /// <summary>"Authorize with Shared Key" of Azure's REST reference, version 2015-02-21 and later.</summary>
    private static string TextToSign(HttpRequestMessage request, string account)
    {
        var content = request.Content?.Headers;
        var length = content?.ContentLength is { } bytes and > 0 ? bytes.ToString(CultureInfo.InvariantCulture) : "";
        var md5 = content?.ContentMD5 is { } hash ? Convert.ToBase64String(hash) : "";
        var own = request.Headers.Where(header => header.Key.StartsWith("x-ms-", StringComparison.OrdinalIgnoreCase))
            .Select(header => (Name: header.Key.ToLowerInvariant(), Value: string.Join(',', header.Value)))
            .OrderBy(header => header.Name, StringComparer.Ordinal).Select(header => $"{header.Name}:{header.Value}\n");
        var query = request.RequestUri!.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=', 2)).OrderBy(pair => pair[0], StringComparer.Ordinal)
            .Select(pair => $"\n{pair[0].ToLowerInvariant()}:{Uri.UnescapeDataString(pair[^1])}");

        // Verb, Content-Encoding, -Language, -Length, -MD5, -Type, Date, four conditions, Range; then our headers, then the resource.
        return $"{request.Method}\n\n\n{length}\n{md5}\n{content?.ContentType}\n\n\n\n\n\n\n{string.Concat(own)}" +
            $"/{account}{request.RequestUri.AbsolutePath}{string.Concat(query)}";
    }
}
