using System.Diagnostics;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>Code that does its worst harms its own requests and nobody else's.</summary>
public sealed class PythonFaultTests : IAsyncLifetime
{
    private OperatedServer _server = null!;
    private SluiceClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await OperatedServer.StartAsync((options, folder) =>
        {
            Copy(Path.Combine(Assets, "py_faults"), Path.Combine(folder, "models", "py_faults"));
            Copy(Path.Combine(GoldenSet.FolderOf("python"), "add_sub"), Path.Combine(folder, "models", "py_add_sub"));
            return options with { StrictReadiness = true };
        });
        _client = _server.CreateClient();
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("loop", "longer than its limit of 8 seconds")]
    [InlineData("sleep", "longer than its limit of 8 seconds")]
    [InlineData("hog", "MemoryError")]
    [InlineData("large", "1073741824 bytes of output do not fit into the 268435456 bytes")]
    [InlineData("garbage", "it sent what no worker sends")]
    [InlineData("long garbage", "it sent what no worker sends")]
    [InlineData("frames", "it sent what no worker sends")]
    [InlineData("wrong length", "found None")]
    [InlineData("text", "found type 'str'")]
    [InlineData("threads", "SystemExit: 5")]
    public async Task Fault_FailsItsRequest_WhileOthersAreServed(string what, string message)
    {
        await CallAsync("fine");
        using var stop = new CancellationTokenSource();
        var others = ServeOthersAsync(stop.Token);
        var error = await Assert.ThrowsAsync<SluiceException>(() => CallAsync(what));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        await CallAsync("fine");
        await stop.CancelAsync();
        Assert.True(await others > 0);
    }

    [Fact]
    public async Task Readiness_OfAModelWhoseProcessKeepsEnding_IsFalse()
    {
        File.WriteAllText(
            Path.Combine(_server.Folder, "models", "py_faults", "1", "model.py"), "raise RuntimeError('broken meanwhile')");
        await Assert.ThrowsAsync<SluiceException>(() => CallAsync("threads"));
        await Eventually.TrueAsync(
            () => _server.Log.Contains("broken meanwhile", StringComparison.Ordinal), () => _server.Log);
        Assert.False(await _client.IsModelReadyAsync("py_faults"));
        Assert.False(await _client.IsServerReadyAsync());
        Assert.True(await _client.IsModelReadyAsync("py_add_sub"));
    }

    [Fact]
    public async Task Processes_EndWithTheServer()
    {
        var process = await CallAsync("fine");
        Assert.True(Directory.Exists($"/proc/{process}"));
        await _server.Host.StopAsync();
        Assert.False(Directory.Exists($"/proc/{process}"));
    }

    private static string Assets => Path.Combine(GoldenSet.FolderOf("python"), "..", "..", "python");

    private async Task<int> CallAsync(string what)
    {
        using var result = await _client.InferAsync(
            new InferRequestMessage { ModelName = "py_faults", Inputs = [InferInput.CreateStrings("WHAT", [what], 1)] },
            new CallOptions { Timeout = TimeSpan.FromMinutes(1) });
        return (int)result.GetSpan<float>("OUT")[0];
    }

    private async Task<int> ServeOthersAsync(CancellationToken stop)
    {
        var count = 0;
        var began = Stopwatch.GetTimestamp();
        for (; !stop.IsCancellationRequested && Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(2); count++)
        {
            using var result = await _client.InferAsync(new InferRequestMessage
            {
                ModelName = "py_add_sub",
                Inputs = [InferInput.Create<float>("INPUT0", [1, 2, 3, 4], 4), InferInput.Create<float>("INPUT1", [1, 1, 1, 1], 4)],
            }, cancellationToken: CancellationToken.None);
            Assert.Equal([2, 3, 4, 5], result.GetSpan<float>("OUTPUT0").ToArray());
        }

        return count;
    }

    private static void Copy(string source, string target)
    {
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var path = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(file, path);
        }
    }
}
