using System.Collections.Frozen;

namespace Sluice.Control.Records;

/// <summary>The engines that an endpoint may name.</summary>
public static class EngineNames
{
    /// <summary>A deep model that this server, or another one, runs by tensors.</summary>
    public const string Triton = "triton";

    /// <summary>A LightGBM file, which the server can run itself where Python has no such library.</summary>
    public const string LightGbm = "lightgbm";

    /// <summary>User code without a model format of ours.</summary>
    public const string Custom = "custom";

    /// <summary>The same with coroutines.</summary>
    public const string CustomAsync = "custom_async";

    /// <summary>All of them, in the order in which they are listed to users.</summary>
    public static IReadOnlyList<string> All { get; } =
        [Triton, "sklearn", "xgboost", LightGbm, Custom, CustomAsync, "vllm"];

    private static readonly FrozenSet<string> Known = All.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Tells whether there is an engine of that name.</summary>
    public static bool IsKnown(string name) => Known.Contains(name);
}
