using System.Diagnostics;
using System.Net.Sockets;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>doctor</c>: looks at what usually goes wrong and says what to do.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static CommandSpec Spec { get; } = new("doctor", "Check server, store, storage, Python, ports and libraries; exit code 1 when something is wrong.")
    {
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var findings = new List<(string What, bool IsWell, string Detail)>();
        var services = await TryAsync(findings, "server and store", "start one by: ./sluice serve; name it by --server or SLUICE_SERVER", async () =>
        {
            var found = (await context.Control.CallAsync<ListServicesResponse>(
                "Services/ListServices", new ListServicesRequest(), context.CancellationToken).ConfigureAwait(false)).Services;
            return (found, $"{context.Server} answers, {found.Count} services");
        }).ConfigureAwait(false);
        if (services is not null)
        {
            await TryAsync(findings, "model registry", "look at the server's log", async () =>
            {
                var models = (await context.Control.CallAsync<ListModelsResponse>(
                    "ModelRegistry/ListModels", new ListModelsRequest(), context.CancellationToken).ConfigureAwait(false)).Models;
                return (models, $"{models.Count} models");
            }).ConfigureAwait(false);
            foreach (var service in services)
                await CheckEndpointsAsync(context, service, findings).ConfigureAwait(false);
        }

        foreach (var (port, use) in new[] { (8000, "v2 HTTP"), (8001, "gRPC"), (8002, "metrics"), (8080, "endpoints and control API") })
            findings.Add(($"port {port}", true, await IsOpenAsync(port).ConfigureAwait(false) ? $"something listens ({use})" : $"free ({use})"));
        await CheckPythonAsync(findings).ConfigureAwait(false);
        findings.Add(CheckOnnxRuntime());
        foreach (var (what, isWell, detail) in findings)
            context.Output.Line($"{(isWell ? "ok  " : "FAIL")} {what}: {detail}");
        context.Output.Json(json =>
        {
            json.WriteStartArray();
            foreach (var (what, isWell, detail) in findings)
            {
                json.WriteStartObject();
                json.WriteString("check", what);
                json.WriteBoolean("ok", isWell);
                json.WriteString("detail", detail);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
        return findings.TrueForAll(finding => finding.IsWell) ? 0 : 1;
    }

    private static async Task<T?> TryAsync<T>(
        List<(string, bool, string)> findings, string what, string advice, Func<Task<(T Result, string Detail)>> look)
        where T : class
    {
        try
        {
            var (result, detail) = await look().ConfigureAwait(false);
            findings.Add((what, true, detail));
            return result;
        }
        catch (CommandException error)
        {
            findings.Add((what, false, $"{error.Message}; {advice}"));
            return null;
        }
    }

    private static async Task CheckEndpointsAsync(CommandContext context, Service service, List<(string, bool, string)> findings)
    {
        var answer = await context.Control.CallAsync<ListEndpointStatusResponse>(
            "Endpoints/ListEndpointStatus", new ListEndpointStatusRequest { ServiceId = service.Id }, context.CancellationToken).ConfigureAwait(false);
        foreach (var status in answer.Statuses)
            findings.Add((
                $"endpoint {status.Endpoint} on {status.Replica}", status.State != EndpointState.Failed,
                status.Reason.Length > 0 ? $"{status.State.ToString().ToLowerInvariant()}: {status.Reason}" : status.State.ToString().ToLowerInvariant()));
    }

    private static async Task<bool> IsOpenAsync(int port)
    {
        try
        {
            using var client = new TcpClient();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await client.ConnectAsync("127.0.0.1", port, limit.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            return false;
        }
    }

    private static async Task CheckPythonAsync(List<(string, bool, string)> findings)
    {
        // The server takes the first interpreter that has numpy.
        string? chosen = null;
        foreach (var python in new[] { "python3", "/usr/bin/python3" })
        {
            if (chosen is null && await AskPythonAsync(python, "import numpy").ConfigureAwait(false) is not null)
                chosen = python;
        }

        var version = await AskPythonAsync(chosen ?? "python3", "import sys; print(sys.executable, sys.version.split()[0])").ConfigureAwait(false);
        findings.Add(("python3", version is not null, version ?? "not found; install python3 for endpoints with code, sklearn and Python models"));
        if (version is null)
            return;

        // None is needed by all endpoints, so what is missing is only said.
        foreach (var module in new[] { "numpy", "sklearn", "xgboost", "lightgbm" })
        {
            var found = await AskPythonAsync(chosen ?? "python3", $"import {module}; print({module}.__version__)").ConfigureAwait(false);
            findings.Add(($"python module {module}", true, found ?? $"not there; install python3-{module} if you need it"));
        }
    }

    private static async Task<string?> AskPythonAsync(string python, string code)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(python, ["-c", code]) { RedirectStandardOutput = true, RedirectStandardError = true });
            using var limit = new CancellationTokenSource(Patience);
            var text = await process!.StandardOutput.ReadToEndAsync(limit.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            return process.ExitCode == 0 ? text.Trim() : null;
        }
        catch (Exception error) when (error is System.ComponentModel.Win32Exception or OperationCanceledException)
        {
            return null;
        }
    }

    private static (string, bool, string) CheckOnnxRuntime()
    {
        const string What = "ONNX Runtime";
        if (Environment.GetEnvironmentVariable("SLUICE_ONNXRUNTIME_LIBRARY") is { Length: > 0 } named)
            return (What, File.Exists(named), File.Exists(named) ? named : $"SLUICE_ONNXRUNTIME_LIBRARY names '{named}', which is not there");
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder.TrimEnd('/')))
        {
            var found = Path.Combine(folder, "native", "onnxruntime", "libonnxruntime.so.1");
            if (File.Exists(found))
                return (What, true, found);
        }

        return (What, false, "its library was not found; run scripts/install-native.sh or set SLUICE_ONNXRUNTIME_LIBRARY");
    }
}
