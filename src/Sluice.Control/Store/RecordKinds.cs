namespace Sluice.Control.Store;

/// <summary>Names under which records are stored and audited.</summary>
public static class RecordKinds
{
    /// <summary>A static endpoint.</summary>
    public const string Endpoint = "endpoint";

    /// <summary>A monitor.</summary>
    public const string Monitor = "monitor";

    /// <summary>A canary.</summary>
    public const string Canary = "canary";

    /// <summary>What is measured.</summary>
    public const string Metric = "metric";

    /// <summary>The service's parameters; the key is empty.</summary>
    public const string Parameters = "parameters";

    /// <summary>A version that a monitor has given.</summary>
    public const string Assignment = "assignment";

    /// <summary>A file.</summary>
    public const string Artifact = "artifact";
}
