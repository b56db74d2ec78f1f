namespace Sluice.Functional.Tests.Control;

/// <summary>The Model Endpoints page on the port of the control API.</summary>
public sealed class PageTests
{
    [Fact]
    public async Task Page_BesideTheInterfaces_ShadowsNone()
    {
        await using var server = await ControlServer.StartAsync();

        using var page = await server.Http.GetAsync("/endpoints/active/x/monitor");
        var (status, missing) = await server.SendAsync("GET", "/v1/nothing");
        var (unknown, detail) = await server.SendAsync("POST", "/serve/nobody", "{}");
        var model = await server.CallAsync("GET", "/v2/models/add_sub_int32");
        var (noModel, error) = await server.SendAsync("GET", "/v2/models/nobody");
        using var health = await server.Http.GetAsync("/health/ready");

        // 501 is what a build without the page says, in a plain text.
        Assert.Contains((int)page.StatusCode, new[] { 200, 501 });
        Assert.StartsWith("text/", page.Content.Headers.ContentType!.MediaType);
        Assert.Equal((404, "Not Found"), (status, missing["detail"]!.GetValue<string>()));
        Assert.Equal(404, unknown);
        Assert.Contains("nobody", detail["detail"]!.GetValue<string>());
        Assert.Equal("add_sub_int32", model["name"]!.GetValue<string>());
        Assert.Equal(404, noModel);
        Assert.Contains("nobody", error["error"]!.GetValue<string>());
        Assert.Equal(200, (int)health.StatusCode);
        Assert.NotNull((await server.CallAsync("GET", "/openapi.json"))["paths"]);
    }

    [Fact]
    public async Task Page_OfAServerThatAsksForCredentials_ComesWithoutThem()
    {
        await using var server = await ControlServer.StartAsync((options, folder) =>
        {
            var keys = Path.Combine(folder, "keys");
            File.WriteAllText(keys, $"operator:{new string('0', 64)}:control,metadata\n");
            return options with { Auth = options.Auth with { ApiKeysPath = keys } };
        });

        using var page = await server.Http.GetAsync("/");
        var about = await server.CallAsync("GET", "/page.json");
        var (closed, _) = await server.SendAsync("GET", "/v1/services");
        var (closedModel, _) = await server.SendAsync("GET", "/v2/models/add_sub_int32");

        Assert.NotEqual(401, (int)page.StatusCode);
        Assert.True(about["asks_for_credentials"]!.GetValue<bool>());
        Assert.Equal((401, 401), (closed, closedModel));
    }

    [Fact]
    public async Task Page_WithoutV2Http_HasNoModels()
    {
        await using var server = await ControlServer.StartAsync((options, _) => options with { Http = null });

        var about = await server.CallAsync("GET", "/page.json");
        var (status, _) = await server.SendAsync("GET", "/v2/models/add_sub_int32");

        Assert.False(about["has_models"]!.GetValue<bool>());
        Assert.Equal(404, status);
    }
}
