using System.Text.Json;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Protocol.Inference;

namespace Sluice.Conformance.Tests;

/// <summary>Trace and log settings (spec §1.8).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class SettingsTests(ConformanceTarget target)
{
    [OwnServerFact]
    public async Task S1_8_Log_Defaults() => Assert.Equal(
        """{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,"log_format":"default"}""",
        JsonSerializer.Serialize((await target.GetAsync("/v2/logging")).Json));

    [Fact]
    public async Task S1_8_Log_ChangesOverHttp_AreSeenOverGrpcAndBack()
    {
        var changed = await target.PostAsync("/v2/logging", """{"log_verbose_level":1,"log_format":"ISO8601","log_info":false}""");
        Assert.Equal(200, changed.Status);
        var settings = (await target.CallAsync<LogSettingsResponse>("LogSettings", new LogSettingsRequest())).Settings;
        Assert.Equal((1u, "ISO8601", false), (settings["log_verbose_level"].Uint32Param, settings["log_format"].StringParam, settings["log_info"].BoolParam));
        await target.PostAsync("/v2/logging", """{"log_verbose_level":0,"log_format":"default","log_info":true}""");
        settings = (await target.CallAsync<LogSettingsResponse>("LogSettings", new LogSettingsRequest())).Settings;
        Assert.Equal((0u, "default", true), (settings["log_verbose_level"].Uint32Param, settings["log_format"].StringParam, settings["log_info"].BoolParam));
    }

    [Fact]
    public async Task S1_8_Trace_AllValuesAreTexts()
    {
        var settings = (await TraceAsync("")).Settings;
        foreach (var name in new[] { "trace_file", "trace_level", "trace_rate", "trace_count", "log_frequency", "trace_mode" })
            Assert.Single(settings[name].Value);
        Assert.Equal("OFF", settings["trace_level"].Value[0]);
        var json = (await target.GetAsync("/v2/trace/setting")).Json;
        Assert.Equal("[\"OFF\"]", JsonSerializer.Serialize(json.GetProperty("trace_level")));
        Assert.Equal(JsonValueKind.String, json.GetProperty("trace_rate").ValueKind);
    }

    [Fact]
    public async Task S1_8_Trace_OfAModel_IsItsOwnUntilCleared()
    {
        var all = (await TraceAsync("")).Settings["trace_rate"].Value[0];
        await TraceAsync("simple", ("trace_rate", ["77"]), ("trace_count", ["5"]));
        Assert.Equal("77", (await TraceAsync("simple")).Settings["trace_rate"].Value[0]);
        Assert.Equal("5", (await TraceAsync("simple")).Settings["trace_count"].Value[0]);
        Assert.Equal(all, (await TraceAsync("")).Settings["trace_rate"].Value[0]);
        Assert.Equal(all, (await TraceAsync("auto")).Settings["trace_rate"].Value[0]);
        await TraceAsync("simple", ("trace_rate", []), ("trace_count", []));
        Assert.Equal(all, (await TraceAsync("simple")).Settings["trace_rate"].Value[0]);
        var answer = await target.PostAsync("/v2/models/simple/trace/setting", """{"trace_rate":"88"}""");
        Assert.Equal((200, "88"), (answer.Status, answer.Json.GetProperty("trace_rate").GetString()));
        answer = await target.PostAsync("/v2/models/simple/trace/setting", """{"trace_rate":null}""");
        Assert.Equal(all, answer.Json.GetProperty("trace_rate").GetString());
    }

    private Task<TraceSettingResponse> TraceAsync(string model, params (string Name, string[] Values)[] settings)
    {
        var request = new TraceSettingRequest { ModelName = model };
        foreach (var (name, values) in settings)
            request.Settings[name] = new TraceSettingRequest.Types.SettingValue { Value = { values } };
        return target.CallAsync<TraceSettingResponse>("TraceSetting", request);
    }
}
