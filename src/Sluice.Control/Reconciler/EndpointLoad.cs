using Sluice.Control.Endpoints;

namespace Sluice.Control.Reconciler;

/// <summary>What was loaded, and for which target.</summary>
/// <param name="Target">What was wanted.</param>
/// <param name="Loaded">What runs it.</param>
/// <param name="ModelPath">The model's file or folder here, held as long as <paramref name="Loaded"/>; null = none.</param>
internal sealed record EndpointLoad(EndpointTarget Target, LoadedEndpoint Loaded, string? ModelPath);
