using Sluice.Server.Tracing;

namespace Sluice.Server;

/// <summary>Checks that settings fit each other, after each has been read by itself.</summary>
internal static class OptionRules
{
    /// <summary>Adds one sentence per fault.</summary>
    public static void Check(ServerOptions options, ICollection<string> errors)
    {
        if (options.ModelRepositories.Length == 0 && options.ControlPlane is null)
            errors.Add("--model-repository: name at least one folder of models");
        var trace = options.Trace;
        if (trace.Level != TraceLevel.Off && trace.Mode == TraceMode.Triton && trace.File.Length == 0)
            errors.Add($"--trace-config: level={trace.Level.ToString().ToUpperInvariant()} names no file; add --trace-config triton,file=NAME");
        if (options.Cache.Lifetime > TimeSpan.Zero && options.Cache.SizeBytes == 0)
            errors.Add("--cache-config: local,ttl-seconds=N needs local,size=BYTES beside it");
        CheckPort("grpc", options.GrpcPort, errors);
        CheckPort("http", options.HttpPort, errors);
        if (options.ControlPlane is { } control)
            CheckPort("serve", control.Port, errors);
    }

    private static void CheckPort(string name, PortOptions port, ICollection<string> errors)
    {
        if (port.Tls is null)
            return;
        if (port.CertificatePath.Length == 0 || port.KeyPath.Length == 0)
            errors.Add($"--{name}-use-ssl: needs --{name}-server-cert and --{name}-server-key");
        if (port.UsesMutualTls && port.RootPath.Length == 0)
            errors.Add($"--{name}-use-ssl-mutual: needs --{name}-root-cert");
    }
}
