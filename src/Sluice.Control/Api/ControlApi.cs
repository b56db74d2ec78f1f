using Google.Protobuf.Reflection;
using Microsoft.Extensions.Logging;
using Sluice.Control.Artifacts;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Control.Api;

/// <summary>All services of the control API.</summary>
public sealed class ControlApi
{
    /// <summary>Creates them.</summary>
    /// <param name="plane">What they read and edit.</param>
    /// <param name="storage">Where files go.</param>
    /// <param name="loggers">For what goes wrong.</param>
    public ControlApi(ControlPlane plane, ArtifactStorage storage, ILoggerFactory loggers)
    {
        var edits = new ControlEdits(plane);
        Models = new ModelUploads(edits, storage);
        Artifacts = new ArtifactUploads(edits, storage);
        Methods =
        [
            .. new ServicesApi(edits).Methods,
            .. new EndpointsApi(edits).Methods,
            .. new MonitorsApi(edits).Methods,
            .. new CanariesApi(edits).Methods,
            .. new MetricsApi(edits).Methods,
            .. new ArtifactsApi(edits, Artifacts).Methods,
            .. new ModelRegistryApi(edits, Models, loggers.CreateLogger<ControlApi>()).Methods,
        ];
    }

    /// <summary>Contracts of the API, for reflection and for its HTTP forms.</summary>
    public static IReadOnlyList<FileDescriptor> Descriptors { get; } =
    [
        ServicesReflection.Descriptor, EndpointsReflection.Descriptor, AutoupdateReflection.Descriptor, CanaryReflection.Descriptor,
        MetricsReflection.Descriptor, ArtifactsReflection.Descriptor, ModelsReflection.Descriptor,
    ];

    /// <summary>Methods of all services.</summary>
    public IReadOnlyList<RpcMethod> Methods { get; }

    /// <summary>Takes models' files from fronts that have them as a stream.</summary>
    public ModelUploads Models { get; }

    /// <summary>Takes services' files likewise.</summary>
    public ArtifactUploads Artifacts { get; }
}
