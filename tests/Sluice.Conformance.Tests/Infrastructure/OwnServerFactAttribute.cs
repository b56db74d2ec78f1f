namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>A rule that shows only under settings of its own, so it is not asked of somebody else's server.</summary>
public sealed class OwnServerFactAttribute : FactAttribute
{
    public OwnServerFactAttribute()
    {
        if (ConformanceTarget.IsForeign)
            Skip = "needs a server with settings of its own";
    }
}
