namespace Sluice.Web;

/// <summary>One file of the page in the encodings in which it is sent; immutable.</summary>
/// <param name="Path">Its path, such as <c>/assets/main-3F2A.js</c>.</param>
/// <param name="ContentType">Its content type.</param>
/// <param name="ETag">Names its contents, with the quotes.</param>
/// <param name="IsHashed">Its name changes with its contents, so that nobody need ever ask for it again.</param>
/// <param name="Plain">As it is.</param>
/// <param name="Gzip">Compressed with gzip.</param>
/// <param name="Brotli">Compressed with brotli.</param>
internal sealed record PageAsset(
    string Path, string ContentType, string ETag, bool IsHashed, byte[] Plain, byte[] Gzip, byte[] Brotli)
{
    /// <summary>Returns the file in an encoding.</summary>
    /// <param name="encoding"><c>br</c>, <c>gzip</c> or null for none.</param>
    public byte[] In(string? encoding) => encoding switch
    {
        "br" => Brotli,
        "gzip" => Gzip,
        _ => Plain,
    };
}
