using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Sluice.Inference;

namespace Sluice.Backends.Python.Workers;

/// <summary>Makes the plans of worker processes from settings: interpreter, environment, limits.</summary>
internal static partial class WorkerPlans
{
    /// <summary>Stands for the model's folder in settings.</summary>
    public const string ModelFolderMark = "$$TRITON_MODEL_DIRECTORY";

    /// <summary>Makes a plan.</summary>
    /// <param name="runtime">Finds interpreters.</param>
    /// <param name="owner">The model or endpoint.</param>
    /// <param name="name">The process.</param>
    /// <param name="folder">The model's folder, for paths that name it.</param>
    /// <param name="value">Reads a setting by its name, such as <c>MEMORY_LIMIT_BYTES</c>; null = not set.</param>
    /// <param name="load">What the worker loads; limits and import paths are added.</param>
    /// <exception cref="InferenceException">A setting makes no sense.</exception>
    public static WorkerPlan Create(
        PythonRuntime runtime, string owner, string name, string folder, Func<string, string?> value, JsonObject load)
    {
        var imports = new JsonArray();
        var environment = CleanEnvironment();
        var interpreter = value("PYTHON");
        if (value("EXECUTION_ENV_PATH") is { Length: > 0 } path)
        {
            interpreter = runtime.Interpreters.Find(path.Replace(ModelFolderMark, folder, StringComparison.Ordinal), out var unpacked)
                ?? interpreter;
            if (interpreter is null)
                imports.Add(unpacked);
            else
                environment["PATH"] = $"{Path.Combine(unpacked, "bin")}:{environment.GetValueOrDefault("PATH", "/usr/bin:/bin")}";
        }

        foreach (var import in Split(value("IMPORT_PATHS"), ':'))
            imports.Add(import.Replace(ModelFolderMark, folder, StringComparison.Ordinal));
        foreach (var pair in Split(value("ENVIRONMENT"), ';'))
        {
            var at = pair.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
                throw InferenceException.Invalid($"ENVIRONMENT of '{owner}' holds '{pair}', which is not NAME=VALUE");
            environment[pair[..at]] = pair[(at + 1)..];
        }

        foreach (var variable in Split(value("PASS_ENVIRONMENT"), ';'))
        {
            if (Environment.GetEnvironmentVariable(variable) is { } passed)
                environment[variable] = passed;
        }

        load["import_paths"] = imports;
        load["limits"] = Limits(owner, value);
        return new WorkerPlan
        {
            Name = name,
            Owner = owner,
            Interpreter = interpreter ?? runtime.Interpreters.Default,
            Environment = [.. environment.Select(pair => $"{pair.Key}={pair.Value}")],
            LoadJson = load.ToJsonString(),
            RequirementsPath = value("REQUIREMENTS") is { Length: > 0 } requirements
                ? requirements.Replace(ModelFolderMark, folder, StringComparison.Ordinal)
                : null,
            Limits = new WorkerLimits
            {
                Start = Seconds(owner, value, "START_TIMEOUT_SECONDS", 600),
                Execution = Seconds(owner, value, "EXECUTION_TIMEOUT_SECONDS", 600),
                CancelGrace = Seconds(owner, value, "CANCEL_GRACE_SECONDS", 10),
                Stop = Seconds(owner, value, "STOP_TIMEOUT_SECONDS", 10),
                MemoryBytes = Number(owner, value, "MEMORY_LIMIT_BYTES", 0, 1L << 24),
                SharedBytes = Number(owner, value, "SHARED_MEMORY_BYTES", 2L << 30, 1L << 20),
            },
        };
    }

    /// <summary>Reads settings of a model: its parameters win over what lies beside its engine's code, and that over the operator's
    /// settings for the engine.</summary>
    public static Func<string, string?> SettingsOf(ModelSettings settings) => name =>
        settings.Parameters.GetValueOrDefault(name) ??
        (name == "EXECUTION_ENV_PATH" ? FindEngineEnvironment(settings.EngineCode) : null) ??
        settings.BackendConfig.GetValueOrDefault(name.ToLowerInvariant().Replace('_', '-'));

    /// <summary>The packed environment that an engine brings, under the name that the original's engines give it.</summary>
    private static string? FindEngineEnvironment(string? code) =>
        code is not null && Path.Combine(Path.GetDirectoryName(code)!, $"pb_exec_env_{Path.GetFileName(code)}.tar.gz") is var file && File.Exists(file)
            ? file
            : null;

    private static JsonObject Limits(string owner, Func<string, string?> value)
    {
        var limits = new JsonObject();
        if (Number(owner, value, "NICE", 0, 0) is > 0 and var nice)
            limits["nice"] = nice;
        if (Number(owner, value, "MEMORY_LIMIT_BYTES", 0, 1L << 24) is > 0 and var memory)
            limits["memory_bytes"] = memory;
        if (value("USER") is { Length: > 0 } user)
            limits["user"] = user;
        if (Restriction(owner, value) is { } restriction)
            limits["restrict"] = restriction;
        if (Split(value("CPUS"), ',') is { Length: > 0 } cpus)
            limits["cpus"] = new JsonArray([.. cpus.Select(cpu => (JsonNode)Index(owner, cpu))]);
        return limits;
    }

    /// <summary>What the process may not ask of the kernel; where it has no filters, only a restriction that was asked for fails the load.</summary>
    private static JsonObject? Restriction(string owner, Func<string, string?> value) => value("RESTRICT") switch
    {
        null or "" => new JsonObject { ["network"] = true, ["required"] = false },
        "system" => new JsonObject { ["network"] = true, ["required"] = true },
        "network" => new JsonObject { ["network"] = false, ["required"] = true },
        "off" => null,
        var other => throw InferenceException.Invalid($"RESTRICT of '{owner}' must be off, system or network, not '{other}'"),
    };

    private static int Index(string owner, string cpu) =>
        int.TryParse(cpu, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? index
            : throw InferenceException.Invalid($"CPUS of '{owner}' holds '{cpu}', which is no CPU's number");

    private static TimeSpan Seconds(string owner, Func<string, string?> value, string name, double other)
    {
        if (value(name) is not { Length: > 0 } text)
            return TimeSpan.FromSeconds(other);
        return double.TryParse(text, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 1e6
            ? TimeSpan.FromSeconds(seconds)
            : throw InferenceException.Invalid($"{name} of '{owner}' must be a number of seconds, not '{text}'");
    }

    private static long Number(string owner, Func<string, string?> value, string name, long other, long least)
    {
        if (value(name) is not { Length: > 0 } text)
            return other;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least
            ? number
            : throw InferenceException.Invalid($"{name} of '{owner}' must be a whole number of at least {least}, not '{text}'");
    }

    private static string[] Split(string? text, char separator) =>
        (text ?? "").Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>The server's environment without what looks like a secret and without its own settings.</summary>
    private static Dictionary<string, string> CleanEnvironment()
    {
        var clean = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry pair in Environment.GetEnvironmentVariables())
        {
            var name = (string)pair.Key;
            if (!Secret().IsMatch(name) && !name.StartsWith("SLUICE_", StringComparison.Ordinal) &&
                !name.StartsWith("DOTNET_", StringComparison.Ordinal))
                clean[name] = (string?)pair.Value ?? "";
        }

        return clean;
    }

    [GeneratedRegex("SECRET|TOKEN|PASSW|CREDENTIAL|PRIVATE|APIKEY|_KEY$|^KEY_|_KEY_|AUTH|CONNECTION_?STRING|DSN$|^AWS_|^AZURE_|^GOOGLE_APPLICATION",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Secret();
}
