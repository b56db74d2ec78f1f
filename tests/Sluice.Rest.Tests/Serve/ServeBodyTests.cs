using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Serve;

namespace Sluice.Rest.Tests.Serve;

public sealed class ServeBodyTests
{
    [Theory]
    [InlineData("""{"x": [1, 2]}""", "application/json", EndpointBody.JsonObject, """{"x": [1, 2]}""")]
    [InlineData("""{"x": 1}""", null, EndpointBody.JsonObject, """{"x": 1}""")]
    [InlineData("""{"x": 1}""", "APPLICATION/JSON; charset=utf-8", EndpointBody.JsonObject, """{"x": 1}""")]
    [InlineData("""{"x": 1}""", "application/vnd.api+json", EndpointBody.JsonObject, """{"x": 1}""")]
    [InlineData("""{"x": NaN, "y": [-Infinity, Infinity], "NaN": "NaN\" Infinity"}""", "application/json", EndpointBody.JsonObject, """{"x": NaN, "y": [-Infinity, Infinity], "NaN": "NaN\" Infinity"}""")]
    [InlineData("\"a\\u00e9\\n\"", "application/json", EndpointBody.Bytes, "aé\n")]
    [InlineData("null", "application/json", EndpointBody.Empty, "")]
    [InlineData("", "application/json", EndpointBody.Empty, "")]
    [InlineData("", "image/jpeg", EndpointBody.Empty, "")]
    [InlineData("""{"x": 1}""", "text/plain", EndpointBody.Bytes, """{"x": 1}""")]
    [InlineData("a=1&b=2", "application/x-www-form-urlencoded", EndpointBody.Bytes, "a=1&b=2")]
    [InlineData("\uFEFF{\"x\": 1}", "application/json", EndpointBody.JsonObject, "{\"x\": 1}")]
    public void Body_IsWhatItsTypeAndFirstTokenSay(string body, string? type, EndpointBody kind, string content)
    {
        var read = ServeBody.Read(Encoding.UTF8.GetBytes(body), type);
        Assert.Null(read.Faults);
        Assert.Equal((kind, content), (read.Kind, Encoding.UTF8.GetString(read.Content.Span)));
    }

    [Theory]
    [InlineData("[1, 2]", "dict_type")]
    [InlineData("7", "dict_type")]
    [InlineData("true", "dict_type")]
    [InlineData("NaN", "dict_type")]
    [InlineData("{\"x\": }", "json_invalid")]
    [InlineData("{\"x\": 1", "json_invalid")]
    [InlineData("{\"x\": 1} 2", "json_invalid")]
    [InlineData("nul", "json_invalid")]
    [InlineData("{x: 1}", "json_invalid")]
    [InlineData("{\"x\": NaNa}", "json_invalid")]
    public void WrongJson_IsRefused_WithAListOfFaults(string body, string type)
    {
        var read = ServeBody.Read(Encoding.UTF8.GetBytes(body), "application/json");
        using var faults = JsonDocument.Parse(read.Faults!);
        var fault = Assert.Single(faults.RootElement.EnumerateArray());
        Assert.Equal((type, "body"), (fault.GetProperty("type").GetString(), fault.GetProperty("loc")[0].GetString()));
    }

    [Fact]
    public void DeepNesting_IsRefused_NotFollowed()
    {
        var deep = "{\"x\":" + new string('[', 100_000) + new string(']', 100_000) + "}";
        Assert.NotNull(ServeBody.Read(Encoding.UTF8.GetBytes(deep), "application/json").Faults);
    }

    [Fact]
    public void AnyBytes_AreAnswered_WithoutAnException()
    {
        var random = new Random(7);
        var seed = Encoding.UTF8.GetBytes("{\"x\": [1, NaN, \"a\\u00e9\", {\"y\": null}], \"z\": -Infinity}");
        for (var i = 0; i < 5000; i++)
        {
            var body = (byte[])seed.Clone();
            for (var change = 0; change < 3; change++)
                body[random.Next(body.Length)] = (byte)random.Next(256);
            _ = ServeBody.Read(body.AsMemory(0, random.Next(body.Length + 1)), "application/json");
        }
    }
}
