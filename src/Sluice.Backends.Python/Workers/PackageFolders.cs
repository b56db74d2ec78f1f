using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Sluice.Inference;

namespace Sluice.Backends.Python.Workers;

/// <summary>Installs packages that code asks for into folders of their own, each set once per interpreter.</summary>
/// <remarks>
/// Asked for are those of <c>CLEARML_EXTRA_PYTHON_PACKAGES</c>, for endpoints, and those of a requirements file (<c>REQUIREMENTS</c>). Packages
/// of the interpreter stay in reach; those installed here win. <b>Threads.</b> Any.
/// </remarks>
internal sealed class PackageFolders(TimeProvider time, CancellationToken stopping) : IDisposable
{
    private const string ExtraVariable = "CLEARML_EXTRA_PYTHON_PACKAGES";
    private const string Requirements = "REQUIREMENTS";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(20);

    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> _installed = new(StringComparer.Ordinal);

    /// <summary>Adds the folders of what a worker asks for to its import paths.</summary>
    /// <param name="plan">The worker.</param>
    /// <param name="takesExtra">It gets the extra packages too.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="InferenceException">Something cannot be installed; the message has pip's last words.</exception>
    public async Task<WorkerPlan> AddAsync(WorkerPlan plan, bool takesExtra, CancellationToken cancellationToken)
    {
        var extra = takesExtra ? Environment.GetEnvironmentVariable(ExtraVariable) ?? "" : "";
        var packages = extra.Split((char[])[' ', ',', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (packages.Length > 0)
            plan = With(plan, await InstallAsync(plan.Interpreter, $"{ExtraVariable} asks for {string.Join(", ", packages)}", packages, "", cancellationToken)
                .ConfigureAwait(false));
        if (plan.RequirementsPath is not { } path)
            return plan;
        if (!File.Exists(path))
            throw InferenceException.Invalid($"{Requirements} of '{plan.Owner}' names '{path}', which does not exist");
        var hash = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false)));
        return With(plan, await InstallAsync(plan.Interpreter, $"{Requirements} of '{plan.Owner}' asks for those of '{path}'", ["-r", path], hash, cancellationToken)
            .ConfigureAwait(false));
    }

    /// <summary>Removes the folders; after all workers.</summary>
    public void Dispose()
    {
        foreach (var folder in _installed.Values.Where(one => one is { IsValueCreated: true, Value.IsCompletedSuccessfully: true }))
            Directory.Delete(folder.Value.Result, recursive: true);
        _installed.Clear();
    }

    private static WorkerPlan With(WorkerPlan plan, string folder)
    {
        var load = JsonNode.Parse(plan.LoadJson)!.AsObject();
        load["import_paths"]!.AsArray().Add(folder);
        return plan with { LoadJson = load.ToJsonString() };
    }

    private async Task<string> InstallAsync(string interpreter, string who, string[] arguments, string hash, CancellationToken cancellationToken)
    {
        var key = $"{interpreter} {hash} {string.Join(' ', arguments)}";
        var installing = _installed.GetOrAdd(key, _ => new Lazy<Task<string>>(() => RunAsync(interpreter, who, arguments)));
        try
        {
            return await installing.Value.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch when (installing.Value.IsFaulted)
        {
            // The next load tries again: the index may be reachable then.
            _installed.TryRemove(KeyValuePair.Create(key, installing));
            throw;
        }
    }

    private async Task<string> RunAsync(string interpreter, string who, string[] arguments)
    {
        var folder = "";
        try
        {
            folder = Directory.CreateTempSubdirectory("sluice-packages-").FullName;

            // Workers may run as another user.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
            await RunPipAsync(interpreter, who, ["--target", folder, .. arguments]).ConfigureAwait(false);
            return folder;
        }
        catch (Exception error)
        {
            if (folder.Length > 0)
                Directory.Delete(folder, recursive: true);
            throw error switch
            {
                InferenceException known => known,
                OperationCanceledException when stopping.IsCancellationRequested =>
                    new InferenceException(InferenceCode.Unavailable, $"{who}; installing them was broken off", error),
                _ => Failed(interpreter, who, error.Message),
            };
        }
    }

    private async Task RunPipAsync(string interpreter, string who, string[] arguments)
    {
        var start = new ProcessStartInfo(interpreter, ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var timer = new CancellationTokenSource(Limit, time);
        using var ending = timer.Token.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            await output.ConfigureAwait(false);
            if (process.ExitCode != 0)
                throw Failed(interpreter, who, (await errors.ConfigureAwait(false)).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private static InferenceException Failed(string interpreter, string who, string reason) => new(
        InferenceCode.FailedPrecondition, $"{who}, which '{interpreter} -m pip' could not install: {reason}");
}
