using System.Net;

namespace Sluice.Server;

/// <summary>Settings of the control plane: its port, its store, its artifacts.</summary>
public sealed record ControlPlaneOptions
{
    /// <summary>The port of <c>/serve</c> and of the control API over HTTP.</summary>
    public EndPoint EndPoint { get; init; } = new IPEndPoint(IPAddress.Any, 8080);

    /// <summary>Some setting was given; a server that runs on the defaults goes on without the port when another program has it.</summary>
    public bool IsAskedFor { get; init; }

    /// <summary>Encryption and sharing of the port.</summary>
    public PortOptions Port { get; init; } = new();

    /// <summary>Folder of what the server keeps by itself.</summary>
    public string DataFolder { get; init; } = DefaultDataFolder();

    /// <summary>Where the desired state is; empty = a file in the data folder.</summary>
    public string Store { get; init; } = "";

    /// <summary>Where uploads go; empty = a folder in the data folder.</summary>
    public string Artifacts { get; init; } = "";

    /// <summary>Most bytes of cached copies of artifacts.</summary>
    public long CacheBytes { get; init; } = 50L * 1024 * 1024 * 1024;

    /// <summary>Largest uploaded file, bytes.</summary>
    public long MaxArtifactBytes { get; init; } = 1L << 40;

    /// <summary>Service to serve; empty = the oldest there is.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>Time between looks for changes that nobody told of.</summary>
    public TimeSpan PollPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>HTTP status of a call whose code raises an exception that is no <c>ValueError</c>: what the newest release of the
    /// original answers, or 500 as those before it (spec clearml §3.3).</summary>
    public int RaisedStatus { get; init; } = 422;

    /// <summary>Processes that run the code of an endpoint that says no number of its own.</summary>
    public int EndpointWorkers { get; init; } = 1;

    /// <summary>Name of this replica; empty = the machine's name and the process's number.</summary>
    public string Replica { get; init; } = "";

    private static string DefaultDataFolder()
    {
        var home = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } data
            ? data
            : Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } user ? Path.Combine(user, ".local", "share") : null;
        return home is null ? "sluice-data" : Path.Combine(home, "sluice");
    }
}
