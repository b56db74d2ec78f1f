using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using Sluice.Server.Logging;
using static Sluice.Protocol.Inference.LogSettingsRequest.Types.SettingValue;
using Value = Sluice.Protocol.Inference.LogSettingsResponse.Types.SettingValue;

namespace Sluice.Server.Services;

/// <summary>Serves <c>LogSettings</c>: reads the log settings and changes them while the server runs (spec §1.8).</summary>
/// <remarks>A request changes all of its settings or, when one is wrong, none.</remarks>
public sealed class LogService(LogState state)
{
    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        new UnaryMethod<LogSettingsRequest, LogSettingsResponse>(
            InferenceService.Name, "LogSettings", LogSettingsRequest.Parser,
            (request, _) => ValueTask.FromResult(Answer(request))),
    ];

    private LogSettingsResponse Answer(LogSettingsRequest request)
    {
        var log = request.Settings.Count == 0
            ? state.Current
            : state.Update(current => request.Settings.Aggregate(current, (next, setting) => Apply(next, setting.Key, setting.Value)));
        var response = new LogSettingsResponse();
        response.Settings["log_file"] = new Value { StringParam = log.File };
        response.Settings["log_info"] = new Value { BoolParam = log.LogsInfo };
        response.Settings["log_warning"] = new Value { BoolParam = log.LogsWarning };
        response.Settings["log_error"] = new Value { BoolParam = log.LogsError };
        response.Settings["log_verbose_level"] = new Value { Uint32Param = log.VerboseLevel };
        response.Settings["log_format"] = new Value { StringParam = Name(log.Format) };
        return response;
    }

    private static LogSnapshot Apply(
        LogSnapshot log, string name, LogSettingsRequest.Types.SettingValue value) => name switch
        {
            "log_file" => throw new InferenceException(
                InferenceCode.Unimplemented, "log file location can not be updated through network protocol"),
            "log_info" => log with { LogsInfo = Bool(name, value) },
            "log_warning" => log with { LogsWarning = Bool(name, value) },
            "log_error" => log with { LogsError = Bool(name, value) },
            "log_verbose_level" => value.ParameterChoiceCase == ParameterChoiceOneofCase.Uint32Param
                ? log with { VerboseLevel = value.Uint32Param }
                : throw InferenceException.Invalid($"expect unsigned integer for '{name}'"),
            "log_format" => log with { Format = Format(name, value) },
            _ => throw InferenceException.Invalid($"unknown log setting '{name}'"),
        };

    private static bool Bool(string name, LogSettingsRequest.Types.SettingValue value) =>
        value.ParameterChoiceCase == ParameterChoiceOneofCase.BoolParam
            ? value.BoolParam
            : throw InferenceException.Invalid($"expect boolean for '{name}'");

    private static LogFormat Format(string name, LogSettingsRequest.Types.SettingValue value)
    {
        if (value.ParameterChoiceCase != ParameterChoiceOneofCase.StringParam)
            throw InferenceException.Invalid($"expect string for '{name}'");
        return value.StringParam switch
        {
            "default" => LogFormat.Default,
            "ISO8601" => LogFormat.Iso8601,
            "json" => LogFormat.Json,
            var other => throw InferenceException.Invalid($"invalid argument for log_format, got: {other}"),
        };
    }

    private static string Name(LogFormat format) => format switch
    {
        LogFormat.Iso8601 => "ISO8601",
        LogFormat.Json => "json",
        _ => "default",
    };
}
