namespace Sluice.Control.Canaries;

/// <summary>One endpoint that a canary's calls may go to.</summary>
/// <param name="Key">The endpoint's key.</param>
/// <param name="Share">Its share of the calls; the shares of a canary's arms add up to 1.</param>
public sealed record CanaryArm(string Key, double Share);
