using System.Text;
using Sluice.Rest.Tests.Fakes;

namespace Sluice.Rest.Tests;

public sealed class RouteTests(RestFixture server) : IClassFixture<RestFixture>
{
    [Theory]
    [InlineData("/")]
    [InlineData("/v2/")]
    [InlineData("/v3")]
    [InlineData("/v2/models")]
    [InlineData("/v2/models/m/versions/x")]
    [InlineData("/v2/models/m/versions/1/nope")]
    [InlineData("/v2/models//ready")]
    public async Task Get_UnknownPath_IsNotFound(string path)
    {
        using var response = await server.Client.GetAsync(path);

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("{\"error\":\"Not Found\"}", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("GET", "/v2/models/m/infer", "POST")]
    [InlineData("POST", "/v2/health/live", "GET")]
    [InlineData("DELETE", "/v2", "GET")]
    public async Task Send_WrongMethod_NamesTheRightOne(string method, string path, string allowed)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await server.Client.SendAsync(request);

        Assert.Equal(405, (int)response.StatusCode);
        Assert.Equal([allowed], response.Content.Headers.Allow);
        Assert.Equal("{\"error\":\"Method Not Allowed\"}", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Get_Health_FollowsTheServer()
    {
        server.IsReady = false;
        using var notReady = await server.Client.GetAsync("/v2/health/ready");
        server.IsReady = true;
        using var ready = await server.Client.GetAsync("/v2/health/ready?verbose=1");
        using var live = await server.Client.GetAsync("/v2/health/live");

        Assert.Equal((400, 200, 200), ((int)notReady.StatusCode, (int)ready.StatusCode, (int)live.StatusCode));
        Assert.Empty(await ready.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("/v2/models/echo/ready", 200)]
    [InlineData("/v2/models/echo/versions/1/ready", 200)]
    [InlineData("/v2/models/other/ready", 400)]
    public async Task Get_ModelReady_AnswersByStatus(string path, int status)
    {
        using var response = await server.Client.GetAsync(path);

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("/v2/models/a%2Fb%20%C3%A9", "a/b é", "")]
    [InlineData("/v2/models/m.x-1/versions/12", "m.x-1", "12")]
    public async Task Get_Metadata_DecodesTheName(string path, string name, string version)
    {
        using var response = await server.Client.GetAsync(path);

        using var json = System.Text.Json.JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(name, json.RootElement.GetProperty("name").GetString());
        Assert.Equal(version, json.RootElement.GetProperty("versions")[0].GetString());
        Assert.Equal(
            ["name", "versions", "platform", "inputs", "outputs"], json.RootElement.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Post_MethodThatIsNotServed_IsUnimplemented()
    {
        using var content = new StringContent("");
        var (status, text) = await server.PostAsync("/v2/repository/index", content);

        Assert.Equal(501, status);
        Assert.Contains("RepositoryIndex is not supported", text);
    }

    [Fact]
    public async Task Post_Load_CarriesItsParameters()
    {
        using var content = new StringContent(
            """{"parameters":{"config":"{}","file:1/m.onnx":"AQI=","n":3,"b":true}}""", Encoding.UTF8);
        var (status, text) = await server.PostAsync("/v2/repository/r1/models/m%31/load", content);

        Assert.Equal((200, ""), (status, text));
        var load = server.LastLoad!;
        Assert.Equal(("r1", "m1"), (load.RepositoryName, load.ModelName));
        Assert.Equal("{}", load.Parameters["config"].StringParam);
        Assert.Equal([1, 2], load.Parameters["file:1/m.onnx"].BytesParam.ToByteArray());
        Assert.Equal(3, load.Parameters["n"].Int64Param);
        Assert.True(load.Parameters["b"].BoolParam);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"parameters":{"x":[]}}""")]
    [InlineData("""{"parameters":5}""")]
    [InlineData("""{"parameters":{"file:1/m":"no base64!"}}""")]
    public async Task Post_LoadWithABadBody_IsRefused(string body)
    {
        using var content = new StringContent(body);
        var (status, text) = await server.PostAsync("/v2/repository/models/m/load", content);

        Assert.Equal(400, status);
        Assert.StartsWith("{\"error\":", text);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{\"parameters\":[")]
    public async Task Post_LoadWithATextThatEndsTooEarly_IsNotCalledTooDeep(string body)
    {
        using var content = new StringContent(body);
        var (status, text) = await server.PostAsync("/v2/repository/models/m/load", content);

        Assert.Equal(400, status);
        Assert.StartsWith("{\"error\":\"failed to parse the request JSON buffer", text);
    }

    [Fact]
    public async Task Post_LoadWithADeepBody_IsRefusedWithTheLimit()
    {
        using var content = new StringContent(new string('[', 200));
        var (status, text) = await server.PostAsync("/v2/repository/models/m/load", content);

        Assert.Equal(400, status);
        Assert.Contains("JSON nesting depth exceeds maximum allowed limit (100)", text);
    }
}
