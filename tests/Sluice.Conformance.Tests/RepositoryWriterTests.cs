using Sluice.Conformance.Tests.Infrastructure;

namespace Sluice.Conformance.Tests;

/// <summary>Writes the suite's models where somebody else's server can read them: into <c>SLUICE_CONFORMANCE_REPOSITORY</c>.</summary>
public sealed class RepositoryWriterTests
{
    [Fact]
    public void Repository_IsWrittenWhereAsked()
    {
        var asked = Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_REPOSITORY");
        var folder = asked ?? Directory.CreateTempSubdirectory("sluice-conformance-").FullName;
        ConformanceModels.WriteTo(folder);
        Assert.All(ConformanceModels.Loadable, model => Assert.True(File.Exists(Path.Combine(folder, model, "config.pbtxt")) || model == "auto"));
        if (asked is null)
            Directory.Delete(folder, recursive: true);
    }
}
