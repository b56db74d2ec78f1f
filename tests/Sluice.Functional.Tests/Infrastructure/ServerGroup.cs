namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Test classes that share one running server; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ServerGroup : ICollectionFixture<ServerFixture>
{
    public const string Name = "server";
}
