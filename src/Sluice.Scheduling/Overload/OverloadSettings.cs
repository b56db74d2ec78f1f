using System.Globalization;
using Sluice.Inference;

namespace Sluice.Scheduling.Overload;

/// <summary>When a model refuses work to keep its queue short.</summary>
public enum OverloadControl
{
    /// <summary>Never: the queue grows to its bound.</summary>
    Off,

    /// <summary>Once requests have waited too long for a while; a burst may queue.</summary>
    Auto,

    /// <summary>Always: no request is accepted that would wait too long.</summary>
    On,
}

/// <summary>What counts as too long, and what follows from it.</summary>
public sealed record OverloadSettings
{
    private const string ControlName = "overload_control";
    private const string TargetName = "overload_target_ms";

    /// <summary>Default <see cref="OverloadControl.Off"/>, as the original, which queues without bound.</summary>
    public OverloadControl Control { get; init; }

    /// <summary>Time in the queue that is still good; never taken as less than two executions. Default 20 ms.</summary>
    public TimeSpan Target { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long every request has waited longer than the target when a model counts as overloaded. Default 100 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Reads a model's own choice from its parameters <c>overload_control</c> and <c>overload_target_ms</c>.</summary>
    /// <exception cref="InferenceException">A value makes no sense.</exception>
    public OverloadSettings For(ModelSettings model)
    {
        var own = this;
        if (model.Parameters.TryGetValue(ControlName, out var control))
            own = own with { Control = ParseControl(control) ?? throw Refuse(model, ControlName, control, "off, auto or on") };
        if (model.Parameters.TryGetValue(TargetName, out var target))
            own = double.TryParse(target, NumberStyles.Float, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds is > 0 and <= 3_600_000
                ? own with { Target = TimeSpan.FromMilliseconds(milliseconds) }
                : throw Refuse(model, TargetName, target, "a number of milliseconds from 0 to 3600000");
        return own;
    }

    private static OverloadControl? ParseControl(string text) => text.ToLowerInvariant() switch
    {
        "off" => OverloadControl.Off,
        "auto" => OverloadControl.Auto,
        "on" => OverloadControl.On,
        _ => null,
    };

    private static InferenceException Refuse(ModelSettings model, string name, string value, string wanted) =>
        InferenceException.Invalid($"parameter '{name}' of model '{model.Name}' must be {wanted}, not '{value}'");
}
