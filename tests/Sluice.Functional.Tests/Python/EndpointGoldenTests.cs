using System.Text.Json;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>Every golden ClearML endpoint through the engine that runs users' code.</summary>
[Collection(PythonGroup.Name)]
public sealed class EndpointGoldenTests(PythonFixture server)
{
    // Debian has no LightGBM library; the forest engine of another issue serves such files without it.
    private static readonly string[] NeedsMissingLibrary = ["lightgbm_xn"];

    public static TheoryData<string> Names() => [.. Directory.EnumerateDirectories(GoldenSet.FolderOf("clearml"))
        .Select(folder => Path.GetFileName(folder)).Where(name => !NeedsMissingLibrary.Contains(name)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Requests_OneByOne_GiveGoldenAnswers(string name)
    {
        await using var endpoints = await EndpointCase.LoadAsync(server, name);
        foreach (var request in endpoints.About.GetProperty("requests").EnumerateArray())
            Check(request, await endpoints.SendAsync(request));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Requests_AllAtOnce_GiveGoldenAnswers(string name)
    {
        await using var endpoints = await EndpointCase.LoadAsync(server, name);
        var requests = endpoints.About.GetProperty("requests").EnumerateArray().ToArray();
        var replies = await Task.WhenAll(Enumerable.Range(0, 8 * requests.Length)
            .Select(i => endpoints.SendAsync(requests[i % requests.Length])));
        for (var i = 0; i < replies.Length; i++)
            Check(requests[i % requests.Length], replies[i]);
    }

    [Fact]
    public async Task Hooks_LoadAndUnload_AreCalledOnceEach()
    {
        File.Delete(server.NoteFile);
        await using (await EndpointCase.LoadAsync(server, "load_unload"))
        {
        }

        Assert.Equal(["load table.txt True", "unload"], File.ReadAllLines(server.NoteFile));
    }

    private static void Check(JsonElement request, EndpointReply reply)
    {
        switch (request.GetProperty("expected_status").GetInt32())
        {
            case 200:
                Assert.True(reply.Outcome == EndpointOutcome.Ok, reply.Detail + reply.Traceback);
                Compare(request.GetProperty("expected_response"), JsonElement.Parse(reply.Content.Span));
                if (request.TryGetProperty("expected_custom_statistics", out var statistics))
                    Compare(statistics, JsonElement.Parse(reply.StatisticsJson.Span));
                break;
            case 404:
                Assert.Equal(EndpointOutcome.NotFound, reply.Outcome);
                break;
            default:
                var isValueError = reply.Detail!.Contains("ValueError", StringComparison.Ordinal);
                Assert.Equal(isValueError ? EndpointOutcome.BadRequest : EndpointOutcome.Raised, reply.Outcome);
                Assert.StartsWith("Error [<class ", reply.Detail, StringComparison.Ordinal);
                Assert.Contains(request.GetProperty("expected_detail_contains").GetString()!, reply.Detail, StringComparison.Ordinal);
                Assert.NotNull(reply.Traceback);
                break;
        }
    }

    internal static void Compare(JsonElement expected, JsonElement actual)
    {
        Assert.True(expected.ValueKind == actual.ValueKind, $"{expected} {actual}");
        switch (expected.ValueKind)
        {
            case JsonValueKind.Number:
                Assert.True(PythonRequests.IsClose(expected.GetDouble(), actual.GetDouble()), $"{expected} {actual}");
                break;
            case JsonValueKind.Array:
                Assert.Equal(expected.GetArrayLength(), actual.GetArrayLength());
                foreach (var (wanted, found) in expected.EnumerateArray().Zip(actual.EnumerateArray()))
                    Compare(wanted, found);
                break;
            case JsonValueKind.Object:
                Assert.Equal(expected.EnumerateObject().Count(), actual.EnumerateObject().Count());
                foreach (var property in expected.EnumerateObject())
                    Compare(property.Value, actual.GetProperty(property.Name));
                break;
            default:
                Assert.Equal(expected.ToString(), actual.ToString());
                break;
        }
    }
}
