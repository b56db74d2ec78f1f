using Sluice.Control.Store;

namespace Sluice.Control;

/// <summary>Where the control plane keeps its state and what this replica does with it.</summary>
public sealed record ControlOptions
{
    /// <summary>A file, <c>sqlite://FILE</c> or <c>postgres://USER@HOST/DATABASE</c>.</summary>
    public required string Store { get; init; }

    /// <summary>Service to serve; empty = the oldest there is.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>Time between looks for changes that nobody told of. Default 2 seconds.</summary>
    public TimeSpan PollPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Name of this replica, unique among those of the store.</summary>
    public string Replica { get; init; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    /// <summary>A replica that has been silent for so long is not shown any more. Default 2 minutes.</summary>
    public TimeSpan ReplicaSilence { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Checks a store's address without opening it.</summary>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static void CheckStore(string address) => ControlDatabases.Create(address);

    /// <summary>Version that new services note.</summary>
    public string ProductVersion { get; init; } = "0.0.0";
}
