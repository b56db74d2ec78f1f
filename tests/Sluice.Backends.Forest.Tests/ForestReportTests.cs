namespace Sluice.Backends.Forest.Tests;

/// <summary>What a report says of a file agrees with the file, and every kind of file has one.</summary>
public sealed class ForestReportTests
{
    [Theory]
    [MemberData(nameof(GoldenForest.All), MemberType = typeof(GoldenForest))]
    public void Read_OfAGoldenModel_SaysWhatTheFileHolds(string engine, string name)
    {
        var golden = new GoldenForest(engine, name);
        var forest = golden.Read();
        var report = ForestReport.Read(golden.ModelPath);
        Assert.Equal((forest.Source, forest.Objective, forest.Trees.Length), (report.Source, report.Objective, report.TreeCount));
        Assert.Equal((forest.FeatureCount, forest.OutputCount), (report.FeatureCount, report.OutputCount));
        Assert.True(report.MaxDepth >= report.MeanDepth && report.LeafCount >= report.TreeCount && report.UsedFeatureCount <= report.FeatureCount);
        Assert.True(report is { SingleRowMicroseconds: > 0, BatchRowMicroseconds: > 0, LayoutBytes: > 0 }, $"{report}");
        Assert.Equal(new FileInfo(golden.ModelPath).Length, report.FileBytes);
    }

    [Fact]
    public void Read_OfABrokenFile_SaysWhere()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "{\"learner\":");
            Assert.Contains("at byte 11", Assert.Throws<InvalidDataException>(() => ForestReport.Read(file)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
