using System.Collections.Immutable;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Chooses the versions to serve (spec §3.4).</summary>
internal static class VersionSelection
{
    /// <param name="policy">The model's policy; null or unset means the highest version.</param>
    /// <param name="found">Versions on disk, ascending. Those that a policy names and the disk lacks are left out.</param>
    public static ImmutableArray<ModelVersionFolder> Select(
        ModelVersionPolicy? policy, ImmutableArray<ModelVersionFolder> found) =>
        policy?.PolicyChoiceCase switch
        {
            ModelVersionPolicy.PolicyChoiceOneofCase.All => found,
            ModelVersionPolicy.PolicyChoiceOneofCase.Specific =>
                [.. found.Where(v => policy.Specific.Versions.Contains(v.Number))],
            ModelVersionPolicy.PolicyChoiceOneofCase.Latest =>
                [.. found.TakeLast((int)Math.Min(policy.Latest.NumVersions, int.MaxValue))],
            _ => [.. found.TakeLast(1)],
        };
}
