using System.Net;

namespace Sluice.Functional.Tests.Python;

/// <summary>The examples that authors of models start from do what their page says.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonExampleTests(PythonFixture server) : IDisposable
{
    private readonly HttpClient _http = server.CreateHttp();

    public void Dispose() => _http.Dispose();

    [Theory]
    [InlineData("add_sub", """[{"name":"A","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]},{"name":"B","datatype":"FP32","shape":[1,4],"data":[1,1,1,1]}]""", "\"data\":[2,3,4,5]")]
    [InlineData("average", """[{"name":"A","datatype":"FP32","shape":[4],"data":[1,2,3,4]},{"name":"B","datatype":"FP32","shape":[4],"data":[3,2,1,0]}]""", "\"data\":[2,2,2,2]")]
    [InlineData("normalise", """[{"name":"X","datatype":"FP32","shape":[1,2],"data":[3,4]}]""", "\"data\":[0.6,0.8]")]
    public async Task Example_AnswersAsItsPageSays(string model, string inputs, string expected)
    {
        var (status, body) = await PythonRequests.PostAsync(_http, model, $$"""{"inputs":{{inputs}}}""");
        Assert.True(status == HttpStatusCode.OK, body.GetRawText());
        Assert.Contains(expected, body.GetRawText().Replace(".0", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ErrorOfOneRequest_KeepsItsCode()
    {
        var (status, body) = await PythonRequests.PostAsync(_http, "add_sub", """
            {"inputs":[{"name":"A","datatype":"FP32","shape":[1,4],"data":[-1,2,3,4]},{"name":"B","datatype":"FP32","shape":[1,4],"data":[1,1,1,1]}]}
            """);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal("A must not be negative", body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task Stream_CountsUp()
    {
        using var content = new StringContent("""{"TO":[3]}""");
        using var response = await _http.PostAsync("v2/models/count_up/generate_stream", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.Equal(3, text.Split("data: ").Length - 1);
        Assert.Contains("\"N\":3", text, StringComparison.Ordinal);
    }
}
