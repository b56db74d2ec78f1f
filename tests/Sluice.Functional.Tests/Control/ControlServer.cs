using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;

namespace Sluice.Functional.Tests.Control;

/// <summary>A server with a control plane of its own, and its HTTP form.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private ControlServer(OperatedServer server)
    {
        Server = server;
        Http = new HttpClient { BaseAddress = server.Host.ServeAddress };
    }

    public OperatedServer Server { get; }

    public HttpClient Http { get; }

    public static async Task<ControlServer> StartAsync(Func<ServerOptions, string, ServerOptions>? change = null) => new(
        await OperatedServer.StartAsync((options, folder) =>
        {
            var controlled = options with
            {
                ControlPlane = new ControlPlaneOptions
                {
                    EndPoint = new IPEndPoint(IPAddress.Loopback, 0),
                    DataFolder = Path.Combine(folder, "data"),
                },
            };
            return change is null ? controlled : change(controlled, folder);
        }));

    /// <summary>Sends JSON and reads JSON.</summary>
    public async Task<(int Status, JsonNode Body)> SendAsync(string method, string path, string? json = null, string? authorization = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("authorization", authorization);
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, JsonNode.Parse(text)!);
    }

    /// <summary>Sends JSON and reads JSON; anything but 200 fails.</summary>
    public async Task<JsonNode> CallAsync(string method, string path, string? json = null)
    {
        var (status, body) = await SendAsync(method, path, json);
        Assert.True(status == 200, $"{method} {path}: {status} {body.ToJsonString()}");
        return body;
    }

    /// <summary>Uploads a model and gives its id.</summary>
    public async Task<string> UploadAsync(byte[] bytes, string query = "name=m&project=p&file_name=m.onnx")
    {
        using var response = await Http.PutAsync($"/v1/models:upload?{query}", new ByteArrayContent(bytes));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var model = await response.Content.ReadFromJsonAsync<JsonElement>();
        return model.GetProperty("id").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
    }
}
