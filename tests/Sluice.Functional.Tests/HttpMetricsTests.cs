using System.Globalization;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

[Collection(ServerGroup.Name)]
public sealed class HttpMetricsTests(ServerFixture server)
{
    [Fact]
    public async Task Metrics_Families_AreTheApprovedOnes()
    {
        var text = await ScrapeAsync();
        var found = text.Split('\n').Where(line => line.StartsWith('#'));
        var approved = await File.ReadAllLinesAsync(
            Path.Combine(GoldenSet.FolderOf("onnx"), "..", "..", "metrics.approved.txt"));

        Assert.Equal(approved, found);
    }

    [Fact]
    public async Task Metrics_AfterRequests_CountThem()
    {
        const string labels = "{model=\"identity_int64\",version=\"1\"}";
        using var http = new HttpInference(server.Host.HttpAddress!);
        var inputs = GoldenSet.Read("onnx", "identity_int64").Cases[0].Inputs;
        var before = await ScrapeAsync();

        for (var i = 0; i < 3; i++)
            await http.InferAsync("identity_int64", inputs, isBinary: true);
        await http.FailAsync("identity_int64", "{\"inputs\":[]}");
        var after = await ScrapeAsync();

        Assert.Equal(3, Gain("nv_inference_request_success" + labels));
        Assert.Equal(6, Gain("nv_inference_count" + labels));
        Assert.Equal(3, Gain("sluice_request_duration_seconds_count" + labels));
        Assert.Equal(3, Gain("sluice_request_duration_seconds_bucket{le=\"+Inf\",model=\"identity_int64\",version=\"1\"}"));
        Assert.Equal(1, Gain("nv_inference_request_failure{model=\"identity_int64\",reason=\"OTHER\",version=\"1\"}"));
        Assert.Equal(0, Gain("nv_inference_request_failure{model=\"identity_int64\",reason=\"REJECTED\",version=\"1\"}"));

        double Gain(string series) => Read(after, series) - Read(before, series);
    }

    [Fact]
    public async Task Metrics_Histograms_AreCumulativeAndInOrder()
    {
        using var http = new HttpInference(server.Host.HttpAddress!);
        await http.InferAsync("identity_int32", GoldenSet.Read("onnx", "identity_int32").Cases[0].Inputs, isBinary: false);

        var buckets = (await ScrapeAsync()).Split('\n')
            .Where(line => line.StartsWith("sluice_infer_duration_seconds_bucket", StringComparison.Ordinal) && line.Contains("\"identity_int32\""))
            .Select(line => (Bound: line.Split('"')[1], Count: long.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture))).ToList();

        Assert.InRange(buckets.Count, 10, 30);
        Assert.Equal("+Inf", buckets[^1].Bound);
        Assert.True(buckets[^1].Count > 0);
        Assert.Equal(buckets.Select(bucket => bucket.Count).Order(), buckets.Select(bucket => bucket.Count));
        var bounds = buckets.SkipLast(1).Select(bucket => double.Parse(bucket.Bound, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(bounds.Order().Distinct(), bounds);
        Assert.DoesNotContain(buckets, bucket => bucket.Bound.Contains('E'));
    }

    [Fact]
    public async Task Metrics_OtherPath_IsNotFound()
    {
        using var http = new HttpClient();
        using var response = await http.GetAsync(new Uri(server.Host.MetricsAddress!, "/v2"));

        Assert.Equal(404, (int)response.StatusCode);
    }

    private static double Read(string text, string series)
    {
        var line = text.Split('\n').Single(line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture);
    }

    private async Task<string> ScrapeAsync()
    {
        using var http = new HttpClient();
        using var response = await http.GetAsync(new Uri(server.Host.MetricsAddress!, "/metrics"));
        Assert.Equal("text/plain; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        return await response.Content.ReadAsStringAsync();
    }
}
