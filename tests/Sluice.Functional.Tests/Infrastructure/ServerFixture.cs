using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Server;
using Sluice.Server.Composition;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>The real server, all ports free ones, with every golden ONNX model and those of tests/assets/models.</summary>
public sealed class ServerFixture : IAsyncLifetime, IDisposable
{
    private const int LeakRounds = 16;

    private readonly LogRecorder _log = new();
    private readonly LoggerFactory _loggers;
    private readonly DirectoryInfo _repository = Directory.CreateTempSubdirectory("sluice-models-");

    public ServerFixture() => _loggers = new LoggerFactory([_log]);

    /// <summary>Every test passes over each transport; <c>SLUICE_TEST_GRPC_TRANSPORT</c> chooses.</summary>
    public static GrpcTransport Transport { get; } = Enum.Parse<GrpcTransport>(
        Environment.GetEnvironmentVariable("SLUICE_TEST_GRPC_TRANSPORT") ?? "auto", ignoreCase: true);

    /// <summary>How long anything may take before a test gives up waiting for it.</summary>
    public static TimeSpan Patience => TimeSpan.FromSeconds(30);

    public ServerHost Host { get; private set; } = null!;

    /// <summary>Such as <c>http://127.0.0.1:41234</c>.</summary>
    public Uri GrpcAddress => Host.GrpcAddress!;

    public async Task InitializeAsync()
    {
        TestModels.CopyTo(_repository.FullName);
        Host = new ServerHost(
            new ServerOptions
            {
                ModelRepositories = [_repository.FullName],
                GrpcTransport = Transport,
                Grpc = new IPEndPoint(IPAddress.Loopback, 0),
                Http = new IPEndPoint(IPAddress.Loopback, 0),
                Metrics = new IPEndPoint(IPAddress.Loopback, 0),
                StrictReadiness = false,
                AllowClientShm = true,
                ExitTimeout = TimeSpan.FromSeconds(10),
            },
            _loggers,
            TimeProvider.System);
        Assert.True(await Host.StartAsync(CancellationToken.None));

        // Some golden models are there to be refused at load.
        _log.TakeErrors();
    }

    public async Task DisposeAsync()
    {
        var hasDrained = await Host.StopAsync();
        await Host.DisposeAsync();
        _repository.Delete(recursive: true);
        Assert.True(hasDrained, "calls were still running when the server stopped");
    }

    public void Dispose()
    {
        _loggers.Dispose();
        _log.Dispose();
    }

    /// <summary>Fails when the server has logged an error since the last look.</summary>
    public void ExpectNoErrors() => Assert.Empty(_log.TakeErrors());

    /// <summary>Does something again and again and fails when buffers stay rented each time.</summary>
    /// <remarks>
    /// A model keeps the input memory of each batch it ever had under way, so a few buffers may come to stay; many may not.
    /// </remarks>
    public async Task ExpectNoLeakAsync(Func<Task> operation)
    {
        await operation();
        var before = Host.Pool.RentedCount;
        for (var i = 0; i < LeakRounds; i++)
            await operation();
        var most = before + (LeakRounds / 4);
        await Eventually.TrueAsync(() => Host.Pool.RentedCount <= most, () => $"{Host.Pool.RentedCount} buffers are rented, {before} were");
    }
}
