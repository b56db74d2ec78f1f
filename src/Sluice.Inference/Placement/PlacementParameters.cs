namespace Sluice.Inference;

/// <summary>Reads the parameters of a tensor that say where it lies or in which form it is wanted (spec §1.5, §2.3).</summary>
/// <remarks>One place for both protocols; only the words about types differ between them.</remarks>
public static class PlacementParameters
{
    private const string RegionKey = "shared_memory_region";
    private const string OffsetKey = "shared_memory_offset";
    private const string ByteSizeKey = "shared_memory_byte_size";

    /// <summary>Takes one parameter of an input; keys that say nothing of its place are passed over.</summary>
    /// <param name="request">Holds key, text and tensor.</param>
    /// <param name="input">The input.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="isHttp">The request came as JSON, which has one kind of number.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a value of the wrong type.</exception>
    public static void Apply(InferRequest request, ref InputTensor input, in RequestParameter parameter, bool isHttp) =>
        ApplyShared(request, ref input.Shared, input.Name, in parameter, isHttp);

    /// <summary>Takes one parameter of a requested output; see the other overload.</summary>
    /// <param name="request">Holds key, text and tensor.</param>
    /// <param name="output">The output.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="isHttp">The request came as JSON, which has one kind of number.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a value of the wrong type.</exception>
    public static void Apply(InferRequest request, ref RequestedOutput output, in RequestParameter parameter, bool isHttp)
    {
        if (ApplyShared(request, ref output.Shared, output.Name, in parameter, isHttp) ||
            !request.Text(parameter.Key).SequenceEqual("classification"u8))
            return;
        if (!IsNumber(in parameter, isHttp))
            throw InferenceException.Invalid(
                "invalid value type for 'classification' parameter, expected int64_param");
        if (parameter.Kind == ParameterKind.Int64 && parameter.Bits <= 0)
            throw InferenceException.Invalid("invalid value for 'classification' parameter, expected >= 0");
        output.ClassCount = (int)Math.Min((ulong)parameter.Bits, int.MaxValue);
        request.NeedsPlacement = true;
    }

    /// <summary>Checks, when all parameters of a tensor are known, that they belong together.</summary>
    /// <param name="request">Holds name and tensor.</param>
    /// <param name="shared">The tensor's number among <see cref="RequestPlacement.Tensors"/>; 0 = none.</param>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: one stands without the other.</exception>
    public static void CheckComplete(InferRequest request, int shared, Utf8Slice name)
    {
        if (shared == 0)
            return;
        ref var tensor = ref request.Placement.Tensor(ref shared);
        if (!tensor.HasRegion)
            throw InferenceException.Invalid(
                $"'{(tensor.HasOffset ? OffsetKey : ByteSizeKey)}' can not be specified without '{RegionKey}' parameter for tensor " +
                $"'{request.TextString(name)}'");
        if (!tensor.HasByteSize)
            throw InferenceException.Invalid(
                $"'{ByteSizeKey}' must be specified along with '{RegionKey}' parameter for tensor '{request.TextString(name)}'");
    }

    /// <returns>True when the parameter says something of shared memory.</returns>
    private static bool ApplyShared(
        InferRequest request, ref int number, Utf8Slice name, in RequestParameter parameter, bool isHttp)
    {
        var key = request.Text(parameter.Key);
        if (!key.StartsWith("shared_memory_"u8))
            return false;
        request.NeedsPlacement = true;
        if (key.SequenceEqual("shared_memory_region"u8))
        {
            if (parameter.Kind != ParameterKind.String)
                throw Mistyped(request, RegionKey, name, isHttp ? "a string" : "string_param");
            ref var tensor = ref request.Placement.Tensor(ref number);
            tensor.Region = parameter.Text;
            tensor.HasRegion = true;
        }
        else if (key.SequenceEqual("shared_memory_offset"u8))
        {
            if (!IsNumber(in parameter, isHttp))
                throw Mistyped(request, OffsetKey, name, isHttp ? "an unsigned integer" : "int64_param");
            ref var tensor = ref request.Placement.Tensor(ref number);
            tensor.Offset = parameter.Bits;
            tensor.HasOffset = true;
        }
        else if (key.SequenceEqual("shared_memory_byte_size"u8))
        {
            if (!IsNumber(in parameter, isHttp))
                throw Mistyped(request, ByteSizeKey, name, isHttp ? "an unsigned integer" : "int64_param");
            ref var tensor = ref request.Placement.Tensor(ref number);
            tensor.ByteSize = parameter.Bits;
            tensor.HasByteSize = true;
        }

        return true;
    }

    private static bool IsNumber(in RequestParameter parameter, bool isHttp) =>
        parameter.Kind == ParameterKind.Int64 || (isHttp && parameter.Kind == ParameterKind.UInt64);

    private static InferenceException Mistyped(InferRequest request, string key, Utf8Slice name, string expected) =>
        InferenceException.Invalid(
            $"invalid value type for '{key}' parameter for tensor '{request.TextString(name)}', expected {expected}.");
}
