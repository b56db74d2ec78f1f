namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Tests that measure the whole process: a server of their own, and nothing beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuringGroup : ICollectionFixture<ServerFixture>
{
    public const string Name = "measuring";
}
