using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Server.Access;
using Sluice.Testing;

namespace Sluice.Functional.Tests.History;

/// <summary>Logging in as ClearML's SDK does: the call <c>auth.login</c>, and what its tokens are good for.</summary>
public sealed class LoginTests
{
    private const string Python = "/usr/bin/python3";
    private const string Shared = "a secret of thirty-two bytes or more";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IndependentClient_LogsIn_Reports_AndRenewsItsToken(bool asksForKeys)
    {
        if (!File.Exists(Python))
        {
            Assert.True(string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")), "python3 is not installed");
            return;
        }

        await using var server = await HistoryServer.StartAsync(change: options => asksForKeys ? WithKeys(options, "box:key-of-box:metadata,control") : options);
        var script = Path.GetFullPath(Path.Combine(GoldenSet.FolderOf("onnx"), "..", "..", "..", "clients", "python", "session.py"));
        var output = await ForeignProgram.RunAsync(Python, script, server.Http.BaseAddress!.ToString(), "access", "key-of-box");
        string[] expected = asksForKeys ? ["logged in again", "wrong key refused", "ok session"] : ["never refused", "wrong key taken", "ok session"];
        Assert.Equal(expected, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Token_HasItsKeysScopes_EndsInTime_AndOutlivesTheServerButNotTheKey()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-login-").FullName;
        try
        {
            string token;
            var clock = new SetTimeProvider();
            await using (var server = await HistoryServer.StartAsync(folder, clock, options => WithKeys(options, "reader:key-of-reader:metadata")))
            {
                token = await LoginAsync(server, "Bearer key-of-reader", "?expiration_sec=3600");
                Assert.Equal(200, await CallAsync(server, "get_endpoints", token));
                Assert.Equal(403, await CallAsync(server, "unregister_container", token));
                clock.Now += TimeSpan.FromSeconds(3599);
                Assert.Equal(200, await CallAsync(server, "get_endpoints", token));
                clock.Now += TimeSpan.FromSeconds(1);
                Assert.Equal(401, await CallAsync(server, "get_endpoints", token));
                Assert.Equal((401, ""), await TryLoginAsync(server, "Bearer " + token));
                token = await LoginAsync(server, "Bearer key-of-reader", "?expiration_sec=999999999");
            }

            // The other server has the store and the file of keys, which now gives the key more.
            await using (var server = await HistoryServer.StartAsync(folder, clock, options => WithKeys(options, "reader:key-of-reader:metadata,control")))
            {
                clock.Now += LoginTokens.LongestLifetime - TimeSpan.FromSeconds(1);
                Assert.Equal(200, await CallAsync(server, "unregister_container", token));
                clock.Now += TimeSpan.FromSeconds(1);
                Assert.Equal(401, await CallAsync(server, "unregister_container", token));
                token = await LoginAsync(server, "Bearer key-of-reader");
                WithKeys(new ServerOptions { ModelRepositories = [Path.Combine(folder, "models")] }, "reader:another-key:metadata,control");
                using var limit = new CancellationTokenSource(ServerFixture.Patience);
                while (await CallAsync(server, "get_endpoints", token) != 401)
                    limit.Token.ThrowIfCancellationRequested();
            }

            // Another store has another secret.
            Directory.Delete(Path.Combine(folder, "data"), recursive: true);
            await using (var server = await HistoryServer.StartAsync(folder, clock, options => WithKeys(options, "reader:key-of-reader:metadata")))
                Assert.Equal(401, await CallAsync(server, "get_endpoints", token));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Tokens_ThatOthersMade_AreRefused()
    {
        await using var server = await HistoryServer.StartAsync(change: options => WithKeys(options, "reader:key-of-reader:metadata", Shared));
        var real = await LoginAsync(server, "Bearer key-of-reader");
        var parts = real.Split('.');
        var unsigned = Encode("""{"alg":"none","typ":"JWT"}""");
        string[] forged =
        [
            $"{unsigned}.{parts[1]}.", $"{unsigned}.{parts[1]}.{parts[2]}", $"{parts[0]}.{parts[1]}.", $"{parts[0]}.{parts[1]}.{new string('A', parts[2].Length)}",
            Sign(parts[0], parts[1], Encoding.UTF8.GetBytes(Shared)), Sign(parts[0], parts[1], SHA256.HashData("key-of-reader"u8)), Sign(parts[0], parts[1], "sluice-login"u8.ToArray()),
            $"{parts[0]}.{Encode("""{"iss":"sluice-login","sub":"root","exp":99999999999}""")}.{parts[2]}", "..", "a.b.c", $"{parts[0]}.{parts[1]}",
        ];
        Assert.Equal(200, await CallAsync(server, "get_endpoints", real));
        foreach (var token in forged)
            Assert.True(await CallAsync(server, "get_endpoints", token) == 401, token);
    }

    [Fact]
    public async Task WebTokens_ComeBackAsTheyAre_AndWrongCredentialsAreRefusedWithAnEnvelope()
    {
        await using var server = await HistoryServer.StartAsync(change: options => WithKeys(options, "reader:key-of-reader:metadata", Shared));
        var token = Sign(
            Encode("""{"alg":"HS256","typ":"JWT"}"""), Encode("""{"sub":"somebody","scope":"metadata","exp":99999999999}"""), Encoding.UTF8.GetBytes(Shared));
        Assert.Equal(token, await LoginAsync(server, "Bearer " + token));
        foreach (var (authorization, message) in new[] { ("", "credentials are missing"), ("Basic !", "not valid"), ("Bearer " + token + "x", "not valid") })
        {
            using var response = await SendAsync(server, "auth.login", authorization);
            var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
            Assert.Equal((401, 401, 20), ((int)response.StatusCode, (int)body["meta"]!["result_code"]!, (int)body["meta"]!["result_subcode"]!));
            Assert.Contains(message, (string)body["meta"]!["result_msg"]!, StringComparison.Ordinal);
        }

        foreach (var query in new[] { "?expiration_sec=0", "?expiration_sec=soon" })
        {
            using var response = await SendAsync(server, "auth.login" + query, "Bearer key-of-reader");
            Assert.Equal(400, (int)response.StatusCode);
            Assert.Contains("'expiration_sec' must be", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    /// <summary>Of a caller that nobody knows nothing is read, unpacked or parsed.</summary>
    [Fact]
    public async Task Bodies_AreLookedAtAfterTheCaller_AndAreSmallAndPlain()
    {
        await using var server = await HistoryServer.StartAsync(change: options => WithKeys(options, "reader:key-of-reader:metadata"));
        foreach (var (authorization, encoding, bytes, status) in new[]
                 {
                     ("", "gzip", 10, 401), ("", "", 1 << 20, 401), ("Bearer key-of-reader", "gzip", 10, 400), ("Bearer key-of-reader", "", 4097, 400),
                 })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/auth.login") { Content = new ByteArrayContent(new byte[bytes]) };
            if (authorization.Length > 0)
                request.Headers.TryAddWithoutValidation("authorization", authorization);
            if (encoding.Length > 0)
                request.Content.Headers.ContentEncoding.Add(encoding);
            using var response = await server.Http.SendAsync(request);
            Assert.Equal(status, (int)response.StatusCode);
            Assert.Equal(status == 401, response.Headers.WwwAuthenticate.Count == 1);
        }
    }

    [Fact]
    public async Task Token_RenewedByAToken_EndsWithTheLongestTimeAfterTheKeyWasShown()
    {
        var clock = new SetTimeProvider();
        await using var server = await HistoryServer.StartAsync(clock: clock, change: options => WithKeys(options, "reader:key-of-reader:metadata"));
        var shown = clock.Now;
        var token = await LoginAsync(server, "Bearer key-of-reader", "?expiration_sec=60");
        for (var i = 1; i <= 3; i++)
        {
            clock.Now = shown + TimeSpan.FromSeconds(30) + ((LoginTokens.LongestLifetime - TimeSpan.FromSeconds(60)) / 3 * (i - 1));
            token = await LoginAsync(server, "Bearer " + token, $"?expiration_sec={long.MaxValue}");
        }

        clock.Now = shown + LoginTokens.LongestLifetime - TimeSpan.FromSeconds(2);
        Assert.Equal(200, await CallAsync(server, "get_endpoints", token));
        clock.Now = shown + LoginTokens.LongestLifetime;
        Assert.Equal(401, await CallAsync(server, "get_endpoints", token));
    }

    private static ServerOptions WithKeys(ServerOptions options, string key, string? shared = null)
    {
        var folder = Path.GetDirectoryName(options.ModelRepositories[0])!;
        var parts = key.Split(':');
        File.WriteAllText(
            Path.Combine(folder, "keys"), $"{parts[0]}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(parts[1])))}:{parts[2]}\n");
        if (shared is not null)
            File.WriteAllText(Path.Combine(folder, "shared"), shared);
        return options with
        {
            Auth = new AuthOptions { ApiKeysPath = Path.Combine(folder, "keys"), JwtKeysPath = shared is null ? "" : Path.Combine(folder, "shared") },
        };
    }

    private static async Task<string> LoginAsync(HistoryServer server, string authorization, string query = "")
    {
        var (status, token) = await TryLoginAsync(server, authorization, query);
        Assert.Equal(200, status);
        return token;
    }

    private static async Task<(int Status, string Token)> TryLoginAsync(HistoryServer server, string authorization, string query = "")
    {
        using var response = await SendAsync(server, "auth.login" + query, authorization);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        return ((int)response.StatusCode, (string?)body["data"]!["token"] ?? "");
    }

    private static async Task<int> CallAsync(HistoryServer server, string action, string token)
    {
        using var response = await SendAsync(server, "serving." + action, "Bearer " + token, """{"container_id": "c"}""");
        return (int)response.StatusCode;
    }

    private static async Task<HttpResponseMessage> SendAsync(HistoryServer server, string path, string authorization, string? body = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/" + path);
        if (authorization.Length > 0)
            request.Headers.TryAddWithoutValidation("authorization", authorization);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        return await server.Http.SendAsync(request);
    }

    private static string Sign(string header, string payload, byte[] key) =>
        $"{header}.{payload}.{Encode(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes($"{header}.{payload}")))}";

    private static string Encode(string text) => Encode(Encoding.UTF8.GetBytes(text));

    private static string Encode(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
