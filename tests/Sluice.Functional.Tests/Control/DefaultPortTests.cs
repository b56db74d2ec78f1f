using System.Net;
using System.Net.Sockets;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Control;

/// <summary>A server that was not asked for endpoints serves models although another program has their port.</summary>
[Collection(ServerGroup.Name)]
public sealed class DefaultPortTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-default-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public async Task Start_WithPort8080Taken_GoesOnUnlessItWasAskedFor(bool isAskedFor, int exitCode)
    {
        using var other = new TcpListener(IPAddress.Any, 8080);
        try
        {
            other.Start();
        }
        catch (SocketException)
        {
            // Taken already is taken too.
        }

        string[] arguments = ["serve", "--model-repository", _folder, "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"];
        using var server = new ServerProcess(
            isAskedFor ? [.. arguments, "--serve-port", "8080"] : arguments, ("SLUICE_CONTROL_PLANE", "true"), ("XDG_DATA_HOME", _folder));
        if (!isAskedFor)
        {
            await server.LoggedAsync("--serve-port names another");
            await server.LoggedAsync("Ready after");
            server.Terminate();
        }

        Assert.Equal(exitCode, await server.EndAsync());
    }

    [Fact]
    public async Task Start_WithAFolderThatCannotBeWritten_ServesModelsAtOnce()
    {
        var file = Path.Combine(_folder, "file");
        await File.WriteAllTextAsync(file, "");
        using var server = new ServerProcess(
            ["serve", "--model-repository", Directory.CreateDirectory(Path.Combine(_folder, "models")).FullName, "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"],
            ("SLUICE_CONTROL_PLANE", "true"), ("XDG_DATA_HOME", file));
        await server.LoggedAsync("Ready after");
        server.Terminate();
        Assert.Equal(0, await server.EndAsync());
    }
}
