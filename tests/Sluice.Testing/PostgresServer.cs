using System.Diagnostics;

namespace Sluice.Testing;

/// <summary>A PostgreSQL server of one's own, in a temporary folder, on a Unix socket only. Debian's package has its programs.</summary>
/// <remarks>It refuses to run as root, so there it runs as the user <c>postgres</c> that the package makes.</remarks>
public sealed class PostgresServer : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-pg-").FullName;
    private readonly string _programs;
    private Process? _process;

    private PostgresServer(string programs) => _programs = programs;

    /// <summary>Npgsql's form of an address, without a database.</summary>
    public string Address => $"Host={_folder};Username=postgres;Pooling=true;Timeout=2;Command Timeout=10";

    /// <summary>Starts one; null where PostgreSQL is not installed and nobody insists.</summary>
    public static PostgresServer? TryStart()
    {
        const string Packages = "/usr/lib/postgresql";
        var programs = Directory.Exists(Packages)
            ? Directory.GetDirectories(Packages).OrderByDescending(version => double.TryParse(Path.GetFileName(version), out var v) ? v : 0)
                .Select(version => Path.Combine(version, "bin")).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")))
            : null;
        if (programs is null)
        {
            if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")))
                throw new InvalidOperationException("PostgreSQL is missing; scripts/install-test.sh brings it");
            return null;
        }

        var server = new PostgresServer(programs);
        try
        {
            if (Environment.IsPrivilegedProcess)
                Run("chown", "postgres", server._folder);
            server.RunAsOwner("initdb", "-D", Path.Combine(server._folder, "data"), "-U", "postgres", "-A", "trust", "-N", "--locale=C", "-E", "UTF8");
            server.Start();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>Starts it, again after <see cref="Stop"/>; returns when it takes connections.</summary>
    public void Start()
    {
        var (program, arguments) = AsOwner(
            "postgres", "-D", Path.Combine(_folder, "data"), "-k", _folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
            "max_connections=200");
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, WorkingDirectory = _folder })!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        var began = Stopwatch.GetTimestamp();
        while (!IsReady())
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(began) > Limit)
                throw new InvalidOperationException("PostgreSQL did not start");
        }
    }

    /// <summary>Stops it at once, as a crash would: its connections are cut.</summary>
    public void Stop()
    {
        if (_process is null)
            return;
        RunAsOwner("pg_ctl", "-D", Path.Combine(_folder, "data"), "-m", "immediate", "-w", "stop");
        _process.WaitForExit(Limit);
        _process.Dispose();
        _process = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_process is { HasExited: false })
            Stop();
        Directory.Delete(_folder, recursive: true);
    }

    private static void Run(string program, params string[] arguments) => TryRun(program, arguments, mustSucceed: true);

    private static bool TryRun(string program, string[] arguments, bool mustSucceed)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            WorkingDirectory = "/",
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 || !mustSucceed
            ? process.ExitCode == 0
            : throw new InvalidOperationException($"{program} failed: {errors.Result}");
    }

    private bool IsReady()
    {
        var (program, arguments) = AsOwner("pg_isready", "-h", _folder, "-t", "1");
        return TryRun(program, arguments, mustSucceed: false);
    }

    private void RunAsOwner(string name, params string[] arguments)
    {
        var (program, all) = AsOwner(name, arguments);
        Run(program, all);
    }

    private (string Program, string[] Arguments) AsOwner(string name, params string[] arguments)
    {
        var program = Path.Combine(_programs, name);
        return Environment.IsPrivilegedProcess
            ? ("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", program, .. arguments])
            : (program, arguments);
    }
}
