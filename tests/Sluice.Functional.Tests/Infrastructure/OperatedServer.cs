using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Client;
using Sluice.Protocol.Codec;
using Sluice.Server;
using Sluice.Server.Composition;
using Sluice.Server.Logging;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>A server of one test's own, with the options that the test wants and a few models.</summary>
internal sealed class OperatedServer : IAsyncDisposable
{
    private readonly LineLoggerProvider _log;
    private readonly LoggerFactory _loggers;
    private readonly StringWriter _lines = new();

    // Its methods lock it, so a reader of the lines has to as well.
    private readonly TextWriter _output;

    private OperatedServer(string folder, ServerOptions options, TimeProvider time)
    {
        Folder = folder;
        var state = new LogState(options.Log);
        _output = TextWriter.Synchronized(_lines);
        _log = new LineLoggerProvider(state, TimeProvider.System, _output);
        _loggers = new LoggerFactory([_log], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        Host = new ServerHost(options, _loggers, time, state);
    }

    public ServerHost Host { get; }

    /// <summary>For the test's files; holds the repository <c>models</c>.</summary>
    public string Folder { get; }

    /// <summary>What was logged so far, when no file was named.</summary>
    public string Log
    {
        get
        {
            lock (_output)
                return _lines.ToString();
        }
    }

    public static Task<OperatedServer> StartAsync(Func<ServerOptions, string, ServerOptions>? change = null, params string[] models) =>
        StartAsync(TimeProvider.System, change, models);

    public static async Task<OperatedServer> StartAsync(
        TimeProvider time, Func<ServerOptions, string, ServerOptions>? change, params string[] models)
    {
        var folder = Directory.CreateTempSubdirectory("sluice-own-").FullName;
        string[] wanted = models.Length > 0 ? models : ["add_sub_int32"];
        var repository = Directory.CreateDirectory(Path.Combine(folder, "models")).FullName;
        TestModels.CopyTo(repository, wanted);
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new ServerOptions
        {
            ModelRepositories = [repository],
            Grpc = loopback,
            Http = loopback,
            Metrics = loopback,
            WarmUp = false,
            GrpcTransport = ServerFixture.Transport,
            ExitTimeout = TimeSpan.FromSeconds(10),
        };
        var server = new OperatedServer(folder, change is null ? options : change(options, folder), time);
        Assert.True(await server.Host.StartAsync(CancellationToken.None), server.Log);
        return server;
    }

    public SluiceClient CreateClient() => new(Host.GrpcAddress!);

    public HttpClient CreateHttp() => new() { BaseAddress = Host.HttpAddress };

    /// <summary>Runs <c>add_sub_int32</c> once.</summary>
    public static async Task InferAsync(SluiceClient client, string id = "", params (string Name, string Value)[] headers)
    {
        var metadata = new RpcMetadata();
        foreach (var (name, value) in headers)
            metadata.Add(name, value);
        using var result = await client.InferAsync(AddSub(id), new CallOptions { Metadata = metadata });
        Assert.Equal(Enumerable.Range(1, 16), result.GetSpan<int>("OUTPUT0").ToArray());
    }

    public static InferRequestMessage AddSub(string id = "", string model = "add_sub_int32") => new()
    {
        ModelName = model,
        Id = id,
        Inputs =
        [
            InferInput.Create<int>("INPUT0", [.. Enumerable.Range(0, 16)], 1, 16),
            InferInput.Create<int>("INPUT1", [.. Enumerable.Repeat(1, 16)], 1, 16),
        ],
    };

    public async ValueTask DisposeAsync()
    {
        await Host.StopAsync();
        await Host.DisposeAsync();
        _loggers.Dispose();
        _log.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
