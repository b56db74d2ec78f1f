namespace Sluice.Inference;

/// <summary>What a call needs permission for.</summary>
[Flags]
public enum AccessScope
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Whether the server and its models are alive and ready.</summary>
    Health = 1,

    /// <summary>What models there are, their configuration and statistics; the service descriptions.</summary>
    Metadata = 2,

    /// <summary>Running models; a caller may be confined to some of them.</summary>
    Infer = 4,

    /// <summary>Everything that changes the server: loading, shared memory, trace and log settings.</summary>
    Control = 8,

    /// <summary>All of it.</summary>
    All = Health | Metadata | Infer | Control,
}
