using Sluice.Control.Endpoints;

namespace Sluice.Control.Reconciler;

/// <summary>What was loaded, and for which target.</summary>
internal sealed record EndpointLoad(EndpointTarget Target, LoadedEndpoint Loaded);
