using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Server.Supervision;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Crashes of native code under <c>--restart-on-crash</c>.</summary>
public sealed partial class CrashTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly string _repository = Directory.CreateTempSubdirectory("sluice-crash-").FullName;

    public void Dispose() => Directory.Delete(_repository, recursive: true);

    [Fact]
    public async Task Crash_StartsAgain_NamesTheModel_AndTheSecondTimeKeepsItOut()
    {
        TestModels.CopyTo(_repository, "slow", "add_sub_int32");
        var endPoint = $"127.0.0.1:{FreePort.Take()}";
        using var supervisor = new ServerProcess(
            ["serve", "--model-repository", _repository, "--grpc-port", endPoint[(endPoint.IndexOf(':', StringComparison.Ordinal) + 1)..],
                "--grpc-address=127.0.0.1", "--allow-http=false", "--allow-metrics=false", "--warm-up=false", "--restart-on-crash", "--strict-readiness=false"]);
        using var client = new SluiceClient(new Uri($"http://{endPoint}"));
        for (var crash = 1; crash <= 2; crash++)
        {
            await ReadyAsync(supervisor, crash);
            var running = client.InferAsync(
                new InferRequestMessage { ModelName = "slow", Inputs = [InferInput.Create<long>("STEPS", [TestModels.EndlessSteps])] },
                new CallOptions { Retry = RetryPolicy.None, Timeout = ServerFixture.Patience });
            await Eventually.TrueAsync(() => IsWorking(Child(supervisor, crash)), () => "the model does not work");
            await CrashAsync(Child(supervisor, crash));
            await Assert.ThrowsAsync<SluiceException>(() => running);
            await supervisor.LoggedAsync("The server has crashed (SIGSEGV); models at work in native code: slow. It is started again in " + crash);
        }

        await supervisor.LoggedAsync("At work in two crashes, so not loaded again until their files are replaced: slow");
        await ReadyAsync(supervisor, 3);
        await OperatedServer.InferAsync(client);
        var refused = await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(
            new InferRequestMessage { ModelName = "slow", Inputs = [InferInput.Create<long>("STEPS", [1])] }, new CallOptions { Retry = RetryPolicy.None }));
        Assert.Equal(InferenceCode.NotFound, refused.Code);
        Assert.Contains("model 'slow' was at work when the server crashed, more than once", supervisor.Errors, StringComparison.Ordinal);
        supervisor.Terminate();
        Assert.Equal(0, await supervisor.EndAsync());
    }

    [Fact]
    public async Task OrderlyEnds_AreTheSupervisorsOwn()
    {
        using var wrong = new ServerProcess(["serve", "--model-repository", Path.Combine(_repository, "absent"), "--restart-on-crash"]);
        Assert.Equal(1, await wrong.EndAsync());
        TestModels.CopyTo(_repository, "add_sub_int32");
        using var killed = new ServerProcess(
            ["serve", "--model-repository", _repository, "--grpc-port=0", "--grpc-address=127.0.0.1", "--allow-http=false", "--allow-metrics=false", "--warm-up=false", "--restart-on-crash"]);
        await ReadyAsync(killed, 1);
        var server = Child(killed, 1);
        Signal(killed.Id, "KILL");
        await Eventually.TrueAsync(() => !Directory.Exists($"/proc/{server}"), () => "the server outlives its supervisor");
    }

    [Theory]
    [InlineData(new[] { 0, 5, 10, 100, 200, 300, 400 }, new[] { 1, 2, 4, 8, 16, 30, 30 })]
    [InlineData(new[] { 0, 600, 601, 1300 }, new[] { 1, 1, 2, 1 })]
    public void Delays_GrowWhileCrashesFollowEachOther(int[] seconds, int[] delays)
    {
        var policy = new CrashPolicy();
        Assert.Equal(delays, seconds.Select(second => (int)policy.Crashed([], Start.AddSeconds(second)).Delay.TotalSeconds));
    }

    [Fact]
    public void Quarantine_TakesTheSecondCrashOfTheSameModel_UntilItsFileIsNewer()
    {
        var policy = new CrashPolicy();
        Assert.Empty(policy.Crashed(["a", "b"], Start).Quarantined);
        Assert.Empty(policy.Crashed(["c"], Start.AddMinutes(1)).Quarantined);
        Assert.Equal(["b"], policy.Crashed(["b", "d"], Start.AddMinutes(9)).Quarantined);
        Assert.Empty(policy.Crashed(["a"], Start.AddMinutes(30)).Quarantined);
        var quarantine = Quarantine.Parse(policy.Quarantine.ToString());
        var file = Path.Combine(_repository, "model.onnx");
        File.WriteAllText(file, "");
        var settings = new ModelSettings
        {
            Name = "b",
            Version = "1",
            Backend = "onnxruntime",
            ModelFolder = _repository,
            VersionFolder = _repository,
            ModelFilename = "model.onnx",
        };
        File.SetLastWriteTimeUtc(file, Start.UtcDateTime);
        Assert.Throws<InferenceException>(() => quarantine.Check(settings));
        quarantine.Check(settings with { Name = "a" });

        // An endpoint's model is a link, made anew at each load.
        File.CreateSymbolicLink(Path.Combine(_repository, "link.onnx"), file);
        Assert.Throws<InferenceException>(() => quarantine.Check(settings with { ModelFilename = "link.onnx" }));
        File.SetLastWriteTimeUtc(file, Start.AddMinutes(10).UtcDateTime);
        quarantine.Check(settings);
    }

    private static async Task ReadyAsync(ServerProcess supervisor, int start) => await Eventually.TrueAsync(
        () => ReadyLine().Count(supervisor.Errors) >= start, () => supervisor.Errors);

    private static int Child(ServerProcess supervisor, int start) =>
        int.Parse(ProcessLine().Matches(supervisor.Errors)[start - 1].Groups[1].Value, CultureInfo.InvariantCulture);

    /// <summary>Its notes name a model at work.</summary>
    private static bool IsWorking(int process)
    {
        var environment = File.ReadAllText($"/proc/{process}/environ").Split('\0');
        var path = environment.Single(variable => variable.StartsWith(Supervisor.NotesVariable + "=", StringComparison.Ordinal))[(Supervisor.NotesVariable.Length + 1)..];
        using var notes = CrashNotes.Open(path);
        return notes.ReadAtWork().Contains("slow");
    }

    /// <summary>A fault that the code did not make itself passes the runtime's own handler once.</summary>
    private static async Task CrashAsync(int process)
    {
        await Eventually.TrueAsync(
            () =>
            {
                Signal(process, "SEGV");
                return !Directory.Exists($"/proc/{process}");
            },
            () => "it does not crash");
    }

    private static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    [GeneratedRegex("Ready after")]
    private static partial Regex ReadyLine();

    [GeneratedRegex(@"The server runs as process (\d+)")]
    private static partial Regex ProcessLine();
}
