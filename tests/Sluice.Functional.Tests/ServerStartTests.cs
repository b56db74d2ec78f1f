using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests;

[Collection(ServerGroup.Name)]
public sealed class ServerStartTests(ServerFixture server)
{
    [Fact]
    public void Start_WithModelsThatCannotLoad_StillListens()
    {
        Assert.NotEqual(0, server.GrpcAddress.Port);
    }
}
