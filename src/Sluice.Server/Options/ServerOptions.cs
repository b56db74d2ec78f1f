using System.Collections.Immutable;
using System.IO.Compression;
using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Models;

namespace Sluice.Server;

/// <summary>Everything that an operator can set; read once at the start. <see cref="OptionTable"/> names and explains it.</summary>
public sealed record ServerOptions
{
    /// <summary>The program's version, as server metadata reports it.</summary>
    public static string ProductVersion { get; } =
        typeof(ServerOptions).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>The server's name in its metadata.</summary>
    public string Id { get; init; } = "triton";

    /// <summary>Folders of models; at least one.</summary>
    public ImmutableArray<string> ModelRepositories { get; init; } = [];

    /// <summary>Who decides what is loaded.</summary>
    public ModelControlMode ModelControlMode { get; init; } = ModelControlMode.None;

    /// <summary>Explicit mode: models to load at the start.</summary>
    public ImmutableArray<string> LoadModels { get; init; } = [];

    /// <summary>Poll mode: time between looks.</summary>
    public TimeSpan RepositoryPollPeriod { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>End with exit code 1 when a model fails to load at the start.</summary>
    public bool ExitOnError { get; init; }

    /// <summary>Ready only when every model is.</summary>
    public bool StrictReadiness { get; init; } = true;

    /// <summary>Fill what configurations leave out from model files.</summary>
    public bool AutoCompleteConfig { get; init; } = true;

    /// <summary>Reads <c>configs/NAME.pbtxt</c> where a model has it.</summary>
    public string ModelConfigName { get; init; } = "";

    /// <summary>Loads at a time.</summary>
    public int ModelLoadThreadCount { get; init; } = 4;

    /// <summary>Further attempts after a failed load.</summary>
    public int ModelLoadRetryCount { get; init; }

    /// <summary>How long running requests may take to end when the server stops.</summary>
    public TimeSpan ExitTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Settings of engines: engine, key, value.</summary>
    public ImmutableArray<(string Backend, string Key, string Value)> BackendConfig { get; init; } = [];

    /// <summary>The v2 HTTP port; null = off.</summary>
    public IPEndPoint? Http { get; init; } = new(IPAddress.Any, 8000);

    /// <summary>Largest HTTP body, bytes.</summary>
    public long HttpMaxInputBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>The gRPC port; null = off.</summary>
    public IPEndPoint? Grpc { get; init; } = new(IPAddress.Any, 8001);

    /// <summary>What moves gRPC's bytes.</summary>
    public GrpcTransport GrpcTransport { get; init; } = GrpcTransport.Auto;

    /// <summary>Threads of the native transport.</summary>
    public int GrpcLoopCount { get; init; } = Environment.ProcessorCount;

    /// <summary>Compression of inference responses; null = none.</summary>
    public CompressionLevel? GrpcResponseCompression { get; init; }

    /// <summary>The metrics port; null = off.</summary>
    public IPEndPoint? Metrics { get; init; } = new(IPAddress.Any, 8002);

    /// <summary>Most native memory for messages and tensors, bytes.</summary>
    public long TensorMemoryBytes { get; init; } = 8L * 1024 * 1024 * 1024;

    /// <summary>Most requests waiting per model.</summary>
    public int MaxQueuedRequests { get; init; } = 65_536;

    /// <summary>Finest level that is logged.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>How log lines look.</summary>
    public Logging.LogFormat LogFormat { get; init; } = Logging.LogFormat.Default;

    /// <summary>Where log lines go; empty = standard error.</summary>
    public string LogFile { get; init; } = "";

    /// <summary>Compile the request path for speed before the server is ready.</summary>
    public bool WarmUp { get; init; } = true;

    /// <summary>Write a line for every call.</summary>
    public bool AccessLog { get; init; }
}
