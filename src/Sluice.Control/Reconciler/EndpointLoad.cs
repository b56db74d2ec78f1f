using Sluice.Control.Endpoints;

namespace Sluice.Control.Reconciler;

/// <summary>What was loaded, and for which target.</summary>
/// <param name="Target">What was wanted.</param>
/// <param name="Loaded">What runs it.</param>
internal sealed record EndpointLoad(EndpointTarget Target, LoadedEndpoint Loaded);
