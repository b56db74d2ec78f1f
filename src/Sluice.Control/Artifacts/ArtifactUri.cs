using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>An address of a stored file, taken apart.</summary>
/// <param name="Scheme">Lower case, such as <c>s3</c>.</param>
/// <param name="Authority">Host with port, or bucket; empty for files.</param>
/// <param name="Path">Decoded path without its first slash; for files the whole path.</param>
/// <param name="Text">The address as it was given.</param>
internal sealed record ArtifactUri(string Scheme, string Authority, string Path, string Text)
{
    /// <summary>Takes an address apart.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: it is none.</exception>
    public static ArtifactUri Parse(string text)
    {
        if (text.StartsWith('/'))
            return new("file", "", System.IO.Path.GetFullPath(text), text);
        var colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0)
            throw Invalid(text, "it has no scheme; use s3://, gs://, azure://, http://, https://, file:// or an absolute path");
        var scheme = text[..colon].ToLowerInvariant();
        var rest = text[(colon + 3)..];
        if (scheme == "file")
        {
            var path = Uri.UnescapeDataString(rest.StartsWith("localhost/", StringComparison.Ordinal) ? rest[9..] : rest);
            return path.StartsWith('/')
                ? new(scheme, "", System.IO.Path.GetFullPath(path), text)
                : throw Invalid(text, "the path of a file:// address must be absolute, as in file:///models/m.onnx");
        }

        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var authority = slash < 0 ? rest : rest[..slash];
        if (authority.Length == 0)
            throw Invalid(text, "it names no host or bucket");
        return new(scheme, authority, slash < 0 ? "" : Uri.UnescapeDataString(rest[(slash + 1)..]), text);
    }

    /// <summary>Joins an address and names below it, which are encoded.</summary>
    public static string Join(string address, params IEnumerable<string> names)
    {
        var root = address.StartsWith('/') ? "file://" + string.Join('/', address.Split('/').Select(Uri.EscapeDataString)) : address;
        return root.TrimEnd('/') + string.Concat(names.Select(name => "/" + Uri.EscapeDataString(name)));
    }

    /// <summary>Name of the file that the address ends with.</summary>
    public string FileName => Path[(Path.LastIndexOf('/') + 1)..];

    private static InferenceException Invalid(string text, string reason) =>
        InferenceException.Invalid($"'{text}' is no address of a stored file: {reason}");
}
