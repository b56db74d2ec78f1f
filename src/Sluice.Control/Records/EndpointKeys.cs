namespace Sluice.Control.Records;

/// <summary>Keys of endpoints: <c>name</c> or <c>name/version</c>.</summary>
public static class EndpointKeys
{
    /// <summary>Joins a name and a version; slashes at the ends are cut off.</summary>
    public static string Join(string name, string? version)
    {
        var trimmed = name.Trim('/');
        var last = version?.Trim('/') ?? "";
        return last.Length == 0 ? trimmed : $"{trimmed}/{last}";
    }
}
