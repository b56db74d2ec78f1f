namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>Test classes that ask one server; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ConformanceGroup : ICollectionFixture<ConformanceTarget>
{
    public const string Name = "conformance";
}
