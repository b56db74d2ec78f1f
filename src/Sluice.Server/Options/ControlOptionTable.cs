using System.Globalization;
using System.Net;
using Sluice.Backends.Python.Endpoints;
using Sluice.Control;
using Sluice.Rpc.Transport;

namespace Sluice.Server;

/// <summary>Settings of the control plane and of its port.</summary>
internal static class ControlOptionTable
{
    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("control-plane", "Serve /serve and the control API, and keep what they need. Default true.", (o, v) => o with { ControlPlane = OptionTable.Bool(v) ? o.ControlPlane ?? new() : null }, true),
        new("serve-address", "Address of the port of /serve and of the control API, or unix:PATH. Default 0.0.0.0.", (o, v) => With(o, c => c with { EndPoint = ListenSockets.Parse(v, (c.EndPoint as IPEndPoint)?.Port ?? 0) ?? throw new FormatException("must be an IP address or unix:PATH") })),
        new("serve-port", "Port of /serve and of the control API. Default 8080; 0 picks a free one.", (o, v) => With(o, c => c.EndPoint is IPEndPoint at ? c with { EndPoint = new IPEndPoint(at.Address, OptionTable.Port(v)) } : c)) { OtherVariable = "CLEARML_SERVING_PORT" },
        new("data-folder", "Folder of the store, of artifacts and of their cache. Default ~/.local/share/sluice.", (o, v) => With(o, c => c with { DataFolder = v })),
        new("store", "Where the desired state is: a file, or postgres://USER:PASSWORD@HOST/DATABASE for several replicas. Default control.db in the data folder.", (o, v) => With(o, c => c with { Store = Store(v) })),
        new("artifacts", "Where uploads go: a folder, or s3://, gs:// or azure:// with a prefix. Default artifacts in the data folder.", (o, v) => With(o, c => c with { Artifacts = v })),
        new("artifact-cache-byte-size", "Most bytes of local copies of artifacts that nothing uses. Default 53687091200.", (o, v) => With(o, c => c with { CacheBytes = OptionTable.Long(v, 0) })),
        new("artifact-max-bytes", "Largest uploaded file in bytes. Default 1099511627776.", (o, v) => With(o, c => c with { MaxArtifactBytes = OptionTable.Long(v, 1) })),
        new("service-id", "Serving service whose endpoints are served. Default all of the store; of endpoints with one name the oldest service's.", (o, v) => With(o, c => c with { ServiceId = v })) { OtherVariable = "CLEARML_SERVING_TASK_ID" },
        new("control-poll-minutes", "Minutes, fractions too, between looks for changes that nobody told of. Default 0.033.", (o, v) => With(o, c => c with { PollPeriod = Minutes(v) })) { OtherVariable = "CLEARML_SERVING_POLL_FREQ" },
        new("serve-exception-status", "HTTP status of a call of /serve whose code raises an exception other than ValueError: 422 as the newest ClearML Serving, or 500 as its releases before. ValueError is 422 always. Default 422.", (o, v) => With(o, c => c with { RaisedStatus = v is "422" or "500" ? int.Parse(v, CultureInfo.InvariantCulture) : throw new FormatException("must be 422 or 500") })),
        new("endpoint-workers", "Processes that run the code of an endpoint which says no number of its own (python.workers in its auxiliary configuration), 1 to 256. Default 1.", (o, v) => With(o, c => c with { EndpointWorkers = Workers(v) })) { OtherVariable = "CLEARML_SERVING_NUM_PROCESS" },
        new("replica", "Name of this replica, unique among those of the store. Default the machine's name and the process's number.", (o, v) => With(o, c => c with { Replica = v })),
    ];

    private static int Workers(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= PythonEndpointEngine.MostWorkers
            ? count
            : throw new FormatException($"must be a whole number from 1 to {PythonEndpointEngine.MostWorkers}");

    // Where the control plane is switched off its other settings mean nothing.
    private static ServerOptions With(ServerOptions options, Func<ControlPlaneOptions, ControlPlaneOptions> change) =>
        options.ControlPlane is { } control ? options with { ControlPlane = change(control) with { IsAskedFor = true } } : options;

    private static string Store(string value)
    {
        ControlOptions.CheckStore(value);
        return value;
    }

    private static TimeSpan Minutes(string value) =>
        double.TryParse(value, CultureInfo.InvariantCulture, out var minutes) && minutes is > 0 and <= 1e5
            ? TimeSpan.FromSeconds(Math.Max(0.1, minutes * 60))
            : throw new FormatException("must be a number of minutes above 0");
}
