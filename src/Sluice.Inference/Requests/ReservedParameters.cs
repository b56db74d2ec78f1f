using System.Text;

namespace Sluice.Inference;

/// <summary>Sorts request parameters into those that the server understands and those for the model (spec §1.3, §2.3).</summary>
/// <remarks>One place for both protocols; only the words about types differ between them.</remarks>
public static class ReservedParameters
{
    /// <summary>Takes one parameter of a request.</summary>
    /// <param name="request">Where it goes; also holds its key and text.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="isHttp">The request came as JSON, which has one kind of number.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a reserved key, or a value of a type
    /// that the key does not take.</exception>
    public static void Apply(InferRequest request, in RequestParameter parameter, bool isHttp)
    {
        var key = request.Text(parameter.Key);
        if (key.SequenceEqual("sequence_id"u8))
            ApplySequenceId(request, in parameter, isHttp);
        else if (key.SequenceEqual("sequence_start"u8))
            request.IsSequenceStart = Bool(key, in parameter);
        else if (key.SequenceEqual("sequence_end"u8))
            request.IsSequenceEnd = Bool(key, in parameter);
        else if (key.SequenceEqual("priority"u8))
            request.Priority = (ulong)Number(key, in parameter, "int64_param or uint64_param", allowUnsigned: true);
        else if (key.SequenceEqual("timeout"u8))
            request.TimeoutMicroseconds = Number(key, in parameter, "int64_param", allowUnsigned: isHttp);
        else if (key.SequenceEqual("binary_data_output"u8) && isHttp)
            request.PrefersBinaryOutput = Bool(key, in parameter);
        else if (key.SequenceEqual("triton_enable_empty_final_response"u8) && !isHttp)
            request.WantsEmptyFinal = Bool(key, in parameter);
        else if (key.StartsWith("triton_"u8))
            throw Reserved(isHttp);
        else if (parameter.Kind is ParameterKind.Missing || (parameter.Kind == ParameterKind.UInt64 && !isHttp))
            throw Mistyped(key, "int64_param, bool_param, or string_param");
        else
            request.AddParameter() = parameter;
    }

    private static void ApplySequenceId(InferRequest request, in RequestParameter parameter, bool isHttp)
    {
        if (parameter.Kind == ParameterKind.String)
            request.SequenceName = parameter.Text;
        else if (parameter.Kind == ParameterKind.Int64 || (parameter.Kind == ParameterKind.UInt64 && isHttp))
            request.SequenceId = (ulong)parameter.Bits;
        else
            throw Mistyped("sequence_id"u8, "int64_param or string_param");
    }

    private static bool Bool(ReadOnlySpan<byte> key, in RequestParameter value) =>
        value.Kind == ParameterKind.Bool ? value.Bits != 0 : throw Mistyped(key, "bool_param");

    private static long Number(ReadOnlySpan<byte> key, in RequestParameter value, string expected, bool allowUnsigned)
    {
        if (value.Kind != ParameterKind.Int64 && !(allowUnsigned && value.Kind == ParameterKind.UInt64))
            throw Mistyped(key, expected);
        if (value is { Kind: ParameterKind.Int64, Bits: < 0 })
            throw InferenceException.Invalid($"invalid value for '{Encoding.UTF8.GetString(key)}', expected value >= 0.");
        return value.Bits;
    }

    private static InferenceException Mistyped(ReadOnlySpan<byte> key, string expected) => InferenceException.Invalid(
        $"invalid value type for '{Encoding.UTF8.GetString(key)}' parameter, expected {expected}.");

    private static InferenceException Reserved(bool isHttp) => InferenceException.Invalid(isHttp
        ? "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
        : "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with " +
          "'triton_' are allowed: triton_enable_empty_final_response");
}
