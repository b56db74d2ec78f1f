using System.Globalization;
using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using Sluice.Server.Tracing;
using Value = Sluice.Protocol.Inference.TraceSettingRequest.Types.SettingValue;

namespace Sluice.Server.Services;

/// <summary>Serves <c>TraceSetting</c>: reads trace settings and changes them while the server runs (spec §1.8).</summary>
/// <remarks>A request changes all of its settings or, when one is wrong, none.</remarks>
public sealed class TraceService(TraceState state, ModelTable models)
{
    private const int LeastCount = -1;

    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        new UnaryMethod<TraceSettingRequest, TraceSettingResponse>(
            InferenceService.Name, "TraceSetting", TraceSettingRequest.Parser,
            (request, _) => ValueTask.FromResult(Answer(request))),
    ];

    private TraceSettingResponse Answer(TraceSettingRequest request)
    {
        if (request.ModelName.Length > 0 && models.Find(request.ModelName)?.Latest is null)
            throw InferenceException.Invalid($"Request for unknown model : {request.ModelName}");
        if (request.Settings.Count > 0)
            state.Update(request.ModelName, request.Settings.Aggregate(new TraceChange(), (change, pair) => Apply(change, pair.Key, pair.Value)));
        return Describe(state.Find(request.ModelName));
    }

    private static TraceChange Apply(TraceChange change, string name, Value value)
    {
        if (name is "trace_file")
            throw new InferenceException(
                InferenceCode.Unimplemented, "trace file location can not be updated through network protocol");
        if (name is "trace_mode")
            throw new InferenceException(InferenceCode.Unimplemented, "trace mode can not be updated through network protocol");
        if (name is not ("trace_level" or "trace_rate" or "trace_count" or "log_frequency"))
            throw InferenceException.Invalid($"unknown trace setting '{name}'");
        if (value.Value.Count == 0)
            return change with { Cleared = change.Cleared.Add(name) };
        return name switch
        {
            "trace_level" => change with { Level = Level(value.Value) },
            "trace_rate" => change with { Rate = (uint)Number(name, value.Value, uint.MinValue, uint.MaxValue) },
            "trace_count" => change with { Count = Count(name, value.Value) },
            _ => change with { LogFrequency = (uint)Number(name, value.Value, uint.MinValue, uint.MaxValue) },
        };
    }

    private static TraceLevel Level(RepeatedField<string> values)
    {
        var level = TraceLevel.Off;
        foreach (var value in values)
        {
            if (value == "OFF" && values.Count > 1)
                throw InferenceException.Invalid("Expect only one trace level 'OFF' is specified");
            level |= value switch
            {
                "OFF" => TraceLevel.Off,
                "TIMESTAMPS" => TraceLevel.Timestamps,
                "TENSORS" => TraceLevel.Tensors,
                _ => throw InferenceException.Invalid($"unknown trace level '{value}', expected OFF, TIMESTAMPS or TENSORS"),
            };
        }

        return level;
    }

    private static int Count(string name, RepeatedField<string> values)
    {
        var count = Number(name, values, long.MinValue, int.MaxValue);
        return count >= LeastCount
            ? (int)count
            : throw InferenceException.Invalid($"Unable to parse '{name}'. Expecting value >= {LeastCount}, got: {values[0]}");
    }

    private static long Number(string name, RepeatedField<string> values, long least, long most)
    {
        if (values.Count > 1)
            throw InferenceException.Invalid($"expect only 1 value for '{name}'");
        var text = values[0];
        var digits = text.AsSpan().Trim();
        if (!Int128.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            throw InferenceException.Invalid($"Unable to parse '{name}', got: {text}");
        if (number < least || number > most)
            throw InferenceException.Invalid(
                $"Unable to parse '{name}', value is out of range [ {Math.Max(least, LeastCount)}, {most} ], got: {text}");
        return (long)number;
    }

    private static TraceSettingResponse Describe(TraceSetting setting)
    {
        var (options, response) = (setting.Options, new TraceSettingResponse());
        if (options.Level == TraceLevel.Off)
            Add(response, "trace_level", "OFF");
        if ((options.Level & TraceLevel.Timestamps) != 0)
            Add(response, "trace_level", "TIMESTAMPS");
        if ((options.Level & TraceLevel.Tensors) != 0)
            Add(response, "trace_level", "TENSORS");
        Add(response, "trace_rate", options.Rate.ToString(CultureInfo.InvariantCulture));
        Add(response, "trace_count", setting.Left.ToString(CultureInfo.InvariantCulture));
        if (options.Mode == TraceMode.Triton)
        {
            Add(response, "log_frequency", options.LogFrequency.ToString(CultureInfo.InvariantCulture));
            Add(response, "trace_file", options.File);
            Add(response, "trace_mode", "triton");
            return response;
        }

        Add(response, "trace_mode", "opentelemetry");
        Add(response, "url", options.OpenTelemetry.Url.OriginalString);
        foreach (var (key, value) in options.OpenTelemetry.Resources)
            Add(response, "resource", $"{key}={value}");
        Add(response, "bsp_max_queue_size", options.OpenTelemetry.MaxQueueSize.ToString(CultureInfo.InvariantCulture));
        Add(response, "bsp_schedule_delay", options.OpenTelemetry.ScheduleDelayMilliseconds.ToString(CultureInfo.InvariantCulture));
        Add(response, "bsp_max_export_batch_size", options.OpenTelemetry.MaxExportBatchSize.ToString(CultureInfo.InvariantCulture));
        return response;
    }

    private static void Add(TraceSettingResponse response, string name, string value)
    {
        if (!response.Settings.TryGetValue(name, out var values))
            response.Settings[name] = values = new TraceSettingResponse.Types.SettingValue();
        values.Value.Add(value);
    }
}
