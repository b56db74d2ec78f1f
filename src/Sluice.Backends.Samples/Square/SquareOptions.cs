using Sluice.Inference;

namespace Sluice.Backends.Samples.Square;

/// <summary>Parameters of backend <c>square</c>; all 0 unless configured.</summary>
internal sealed record SquareOptions
{
    /// <summary><c>CUSTOM_INFER_DELAY_NS</c>: wait before each response.</summary>
    public required TimeSpan InferDelay { get; init; }

    /// <summary><c>CUSTOM_OUTPUT_DELAY_NS</c>: wait while its output is stored.</summary>
    public required TimeSpan OutputDelay { get; init; }

    /// <summary><c>CUSTOM_CANCEL_DELAY_NS</c>: wait of a request that finds itself cancelled.</summary>
    public required TimeSpan CancelDelay { get; init; }

    /// <summary><c>CUSTOM_FAIL_COUNT</c>: responses before the empty ones that fail.</summary>
    public required long FailCount { get; init; }

    /// <summary><c>CUSTOM_EMPTY_COUNT</c>: last steps that make no response.</summary>
    public required long EmptyCount { get; init; }

    public static SquareOptions Read(ModelSettings settings) => new()
    {
        InferDelay = SampleParameters.Nanoseconds(settings, "CUSTOM_INFER_DELAY_NS"),
        OutputDelay = SampleParameters.Nanoseconds(settings, "CUSTOM_OUTPUT_DELAY_NS"),
        CancelDelay = SampleParameters.Nanoseconds(settings, "CUSTOM_CANCEL_DELAY_NS"),
        FailCount = SampleParameters.Number(settings, "CUSTOM_FAIL_COUNT"),
        EmptyCount = SampleParameters.Number(settings, "CUSTOM_EMPTY_COUNT"),
    };
}
