using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Server.Logging;
using Sluice.Testing;
using Value = Sluice.Protocol.Inference.LogSettingsRequest.Types.SettingValue;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Log lines and the log settings call (spec §1.8, §5.6).</summary>
public sealed class LogTests
{
    private const string Path = "/inference.GRPCInferenceService/LogSettings";

    [Fact]
    public async Task Settings_AtStart_AreTheDefaults()
    {
        await using var server = await OperatedServer.StartAsync();
        using var http = server.CreateHttp();

        Assert.Equal(
            """{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,"log_format":"default"}""",
            await http.GetStringAsync("/v2/logging"));
    }

    [Fact]
    public async Task Settings_OverGrpc_ChangeWhatIsLogged()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with { AccessLog = true });
        using var client = server.CreateClient();

        var answer = await UpdateAsync(client, ("log_info", new Value { BoolParam = false }), ("log_verbose_level", new Value { Uint32Param = 3 }));
        Assert.False(answer.Settings["log_info"].BoolParam);
        Assert.Equal(3u, answer.Settings["log_verbose_level"].Uint32Param);
        var before = server.Log;
        await OperatedServer.InferAsync(client);
        Assert.DoesNotContain("ModelInfer", server.Log[before.Length..], StringComparison.Ordinal);

        await UpdateAsync(client, ("log_info", new Value { BoolParam = true }), ("log_format", new Value { StringParam = "ISO8601" }));
        await OperatedServer.InferAsync(client, "", ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
        await Eventually.TrueAsync(() => server.Log[before.Length..].Contains("ModelInfer", StringComparison.Ordinal), () => server.Log);
        Assert.Matches(
            """\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ I \d+ \w+:\d+\] "/inference\.GRPCInferenceService/ModelInfer OK \d+ us traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00""" + "\"",
            server.Log);
    }

    [Fact]
    public async Task VerboseLevel_OfOne_LogsEveryCall()
    {
        await using var server = await OperatedServer.StartAsync();
        using var client = server.CreateClient();
        using var http = server.CreateHttp();
        await client.IsServerLiveAsync();
        Assert.DoesNotContain("ServerLive", server.Log, StringComparison.Ordinal);
        await UpdateAsync(client, ("log_verbose_level", new Value { Uint32Param = 1 }));
        await client.IsServerLiveAsync();
        await http.GetStringAsync("/v2/health/live?x=1");

        await Eventually.TrueAsync(
            () => server.Log.Contains("/inference.GRPCInferenceService/ServerLive OK", StringComparison.Ordinal) &&
                server.Log.Contains("GET /v2/health/live?x=1 200", StringComparison.Ordinal), () => server.Log);
    }

    [Fact]
    public async Task Settings_OverHttp_ChangeAndKeepTheRest()
    {
        await using var server = await OperatedServer.StartAsync();
        using var http = server.CreateHttp();
        using var response = await http.PostAsJsonAsync("/v2/logging", new { log_warning = false, log_verbose_level = 1, log_format = "ISO8601" });

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(
            """{"log_file":"","log_info":true,"log_warning":false,"log_error":true,"log_verbose_level":1,"log_format":"ISO8601"}""",
            await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("""{"log_file":"x"}""", 501, "log file location can not be updated through network protocol")]
    [InlineData("""{"log_info":"yes"}""", 400, "expect boolean for 'log_info'")]
    [InlineData("""{"log_error":1}""", 400, "expect boolean for 'log_error'")]
    [InlineData("""{"log_verbose_level":-1}""", 400, "expect unsigned integer for 'log_verbose_level'")]
    [InlineData("""{"log_format":true}""", 400, "expect string for 'log_format'")]
    [InlineData("""{"log_format":"pretty"}""", 400, "invalid argument for log_format, got: pretty")]
    [InlineData("""{"loudness":1}""", 400, "unknown log setting 'loudness'")]
    public async Task Settings_ThatAreWrong_ChangeNothing(string body, int status, string error)
    {
        await using var server = await OperatedServer.StartAsync();
        using var http = server.CreateHttp();
        var before = await http.GetStringAsync("/v2/logging");
        using var content = new StringContent("""{"log_warning":false,""" + body[1..]);
        using var response = await http.PostAsync("/v2/logging", content);

        Assert.Equal(status, (int)response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(error, json.RootElement.GetProperty("error").GetString());
        Assert.Equal(before, await http.GetStringAsync("/v2/logging"));
    }

    [Fact]
    public async Task Settings_OverGrpc_FailWithTheOriginalsCodes()
    {
        await using var server = await OperatedServer.StartAsync();
        using var client = server.CreateClient();

        var file = await Assert.ThrowsAsync<SluiceException>(() => UpdateAsync(client, ("log_file", new Value { StringParam = "x" })));
        Assert.Equal((InferenceCode.Unimplemented, "log file location can not be updated through network protocol"), (file.Code, file.Message));
        var type = await Assert.ThrowsAsync<SluiceException>(() => UpdateAsync(client, ("log_info", new Value { StringParam = "x" })));
        Assert.Equal((InferenceCode.InvalidArgument, "expect boolean for 'log_info'"), (type.Code, type.Message));
    }

    [Fact]
    public async Task Settings_OfLogAndTrace_WorkWithGrpcio()
    {
        await using var server = await OperatedServer.StartAsync();
        await PythonOperations.RunAsync("settings", server.Host.GrpcAddress!);
    }

    [Theory]
    [InlineData(LogFormat.Default)]
    [InlineData(LogFormat.Iso8601)]
    [InlineData(LogFormat.Json)]
    public void Line_WithForgedText_StaysOneLine(LogFormat format)
    {
        var lines = new StringWriter();
        using var provider = new LineLoggerProvider(new LogState(new LogSnapshot { Format = format }), new ManualTimeProvider(), lines);
        provider.CreateLogger("Sluice.X").LogWarning("a\nE1121 00:00:00.000000 1 fake.cc:1] \"{Text}\"\r\u001b[31m\u2028", "b\nc");

        var text = lines.ToString();
        Assert.Equal(1, text.Count(c => c == '\n'));
        Assert.DoesNotContain('\r', text);
        Assert.DoesNotContain('\u001b', text);
        if (format == LogFormat.Json)
            using (JsonDocument.Parse(text)) { }
        else
            Assert.Matches(format == LogFormat.Default
                ? """^W\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ X:0\] "[^"\\]*(\\.[^"\\]*)*"\n$"""
                : """^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ W \d+ X:0\] "[^"\\]*(\\.[^"\\]*)*"\n$""", text);
    }

    [Fact]
    public async Task File_Named_TakesTheLines()
    {
        string text;
        await using (var server = await OperatedServer.StartAsync(
            (options, folder) => options with { Log = new LogSnapshot { File = System.IO.Path.Combine(folder, "server.log") } }))
        {
            using var file = new StreamReader(new FileStream(
                System.IO.Path.Combine(server.Folder, "server.log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            text = await file.ReadToEndAsync();
            Assert.Empty(server.Log);
        }

        Assert.Contains("Ready after", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_ThatCannotBeOpened_StopsTheStart()
    {
        using var process = new ServerProcess(["serve", "--model-repository=m", "--log-file=/none/server.log"]);

        Assert.Equal(1, await process.EndAsync());
        Assert.Contains("sluice serve: Could not find a part of the path '/none/server.log'", process.Errors, StringComparison.Ordinal);
    }

    private static Task<LogSettingsResponse> UpdateAsync(SluiceClient client, params (string Name, Value Value)[] settings)
    {
        var request = new LogSettingsRequest();
        foreach (var (name, value) in settings)
            request.Settings[name] = value;
        return client.CallAsync(Path, request, LogSettingsResponse.Parser);
    }
}
