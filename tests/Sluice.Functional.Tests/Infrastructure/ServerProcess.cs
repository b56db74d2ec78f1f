using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>The program itself, <c>sluice serve</c>, in a process of its own.</summary>
internal sealed partial class ServerProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _lines = new();
    private readonly StringBuilder _output = new();

    public ServerProcess(IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "sluice.dll");
        var start = new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };

        // Its port and its folder would be the same in every process; tests that want it say where.
        start.Environment["SLUICE_CONTROL_PLANE"] = "false";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        _process = new Process { StartInfo = start };
        _process.ErrorDataReceived += (_, line) => Add(_lines, line.Data);
        _process.OutputDataReceived += (_, line) => Add(_output, line.Data);
        _process.Start();
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    public int Id => _process.Id;

    /// <summary>Everything on standard error so far.</summary>
    public string Errors => Read(_lines);

    /// <summary>Everything on standard output so far.</summary>
    public string Output => Read(_output);

    /// <summary>The gRPC port, once it listens.</summary>
    public async Task<Uri> GrpcAddressAsync()
    {
        await LoggedAsync("gRPC listens on");
        return new Uri(GrpcAddress().Match(Errors).Groups[1].Value);
    }

    /// <summary>The metrics port, once it listens: the last one that does.</summary>
    public async Task<Uri> MetricsAddressAsync()
    {
        await Eventually.TrueAsync(() => HttpAddress().Count(Errors) == 2 || _process.HasExited, () => Errors);
        return new Uri(HttpAddress().Matches(Errors)[1].Groups[1].Value);
    }

    /// <summary>The control plane's port, once it listens: the one after the HTTP port.</summary>
    public async Task<Uri> ServeAddressAsync()
    {
        await Eventually.TrueAsync(() => HttpAddress().Count(Errors) == 3 || _process.HasExited, () => Errors);
        return new Uri(HttpAddress().Matches(Errors)[1].Groups[1].Value);
    }

    /// <summary>The most memory that the process has had at once.</summary>
    public long PeakMemoryBytes
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            var kibibytes = long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
            return kibibytes * 1024;
        }
    }

    public Task LoggedAsync(string text) => Eventually.TrueAsync(
        () => Errors.Contains(text, StringComparison.Ordinal) || _process.HasExited, () => $"no '{text}' in\n{Errors}");

    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> EndAsync()
    {
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static void Add(StringBuilder text, string? line)
    {
        lock (text)
            text.AppendLine(line);
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }

    [GeneratedRegex("HTTP listens on (http[^\"]*)")]
    private static partial Regex HttpAddress();

    [GeneratedRegex("gRPC listens on (http[^\"]*)")]
    private static partial Regex GrpcAddress();
}
