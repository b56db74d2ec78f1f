namespace Sluice.Server;

/// <summary>Settings of ports: encryption, sharing, and how long connections live. HTTP's have the shape of gRPC's.</summary>
internal static class PortOptionTable
{
    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        .. Tls("grpc", (o, change) => o with { GrpcPort = change(o.GrpcPort) }),
        .. Tls("http", (o, change) => o with { HttpPort = change(o.HttpPort) }),
        .. Tls("serve", (o, change) => o.ControlPlane is { } control ? o with { ControlPlane = control with { Port = change(control.Port) } } : o),
        new("grpc-keepalive-time", "Milliseconds of silence before a peer is pinged. Default 7200000.", (o, v) => o with { GrpcPort = o.GrpcPort with { KeepAliveTime = Milliseconds(v) } }),
        new("grpc-keepalive-timeout", "Milliseconds for its answer. Default 20000.", (o, v) => o with { GrpcPort = o.GrpcPort with { KeepAliveTimeout = Milliseconds(v) } }),
        new("grpc-keepalive-permit-without-calls", "Peers are pinged, and may ping, without calls. Unset: they are, and may every two hours. Native transport only, as the next three.", (o, v) => o with { GrpcPort = o.GrpcPort with { PermitsPingsWithoutCalls = OptionTable.Bool(v) } }, IsSwitch: true),
        new("grpc-http2-max-pings-without-data", "Most pings to a peer that is sent nothing else; 0 = any number. Default 0.", (o, v) => o with { GrpcPort = o.GrpcPort with { MaxPingsWithoutData = OptionTable.Int(v, 0) } }),
        new("grpc-http2-min-recv-ping-interval-without-data", "Milliseconds that a peer waits between pings when it is sent nothing. Default 300000.", (o, v) => o with { GrpcPort = o.GrpcPort with { MinPingInterval = TimeSpan.FromMilliseconds(OptionTable.Int(v, 0)) } }),
        new("grpc-http2-max-ping-strikes", "Pings that come sooner before a peer is sent away; 0 = any number. Default 2.", (o, v) => o with { GrpcPort = o.GrpcPort with { MaxPingStrikes = OptionTable.Int(v, 0) } }),
        new("grpc-max-connection-age", "Milliseconds until a connection is closed in order. Default never.", (o, v) => o with { GrpcPort = o.GrpcPort with { MaxAge = Age(v) } }),
        new("grpc-max-connection-age-grace", "Milliseconds after that until running calls are cut off. Default never.", (o, v) => o with { GrpcPort = o.GrpcPort with { MaxAgeGrace = Age(v) } }),
    ];

    private static IEnumerable<OptionDefinition> Tls(
        string port, Func<ServerOptions, Func<PortOptions, PortOptions>, ServerOptions> change)
    {
        OptionDefinition Row(string name, string help, Func<PortOptions, string, PortOptions> set, bool isSwitch = false) =>
            new(name, help, (options, value) => change(options, settings => set(settings, value)), isSwitch);

        yield return Row($"{port}-use-ssl", "Encrypt. Default false.", (p, v) => p with { UsesTls = OptionTable.Bool(v) }, isSwitch: true);
        yield return Row($"{port}-use-ssl-mutual", "Encrypt, and demand clients' certificates. Default false.", (p, v) => p with { UsesMutualTls = OptionTable.Bool(v) }, isSwitch: true);
        yield return Row($"{port}-server-cert", "PEM file of the server's certificate; read anew when it changes.", (p, v) => p with { CertificatePath = v });
        yield return Row($"{port}-server-key", "PEM file of its private key.", (p, v) => p with { KeyPath = v });
        yield return Row($"{port}-root-cert", "PEM file of certificates that sign clients' ones.", (p, v) => p with { RootPath = v });
        yield return Row($"reuse-{port}-port", "Share the port with other processes. Default false.", (p, v) => p with { ReusesPort = OptionTable.Bool(v) }, isSwitch: true);
    }

    // The transport looks at its connections once a second.
    private static TimeSpan Milliseconds(string value) => TimeSpan.FromMilliseconds(Math.Max(1000, OptionTable.Int(value, 1)));

    private static TimeSpan? Age(string value)
    {
        var milliseconds = OptionTable.Int(value, 0);
        return milliseconds is 0 or int.MaxValue ? null : TimeSpan.FromMilliseconds(milliseconds);
    }
}
