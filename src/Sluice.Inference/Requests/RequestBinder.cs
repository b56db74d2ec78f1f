using System.Buffers;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>Checks a request against a model and binds its tensors to the model's indexes (spec §1.3).</summary>
/// <remarks>
/// <para>The order of checks and the texts are those that stock clients and test suites match. Inputs are checked in reverse
/// order of arrival, because with several bad inputs the original reports the last one.</para>
/// <para><b>Threads.</b> Pure over its arguments; nothing is allocated unless the request is refused.</para>
/// </remarks>
public static class RequestBinder
{
    private const string BatchNote =
        " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each " +
        "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting " +
        "max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

    /// <summary>Binds and checks; sets <see cref="InferRequest.RowCount"/> and the indexes of inputs and outputs.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: the request does not fit the
    /// model.</exception>
    public static void Bind(InferRequest request, ModelSettings model)
    {
        request.SetModel(model);
        BindOutputs(request, model);
        BindInputs(request, model);
        CheckBatch(request, model);
        if (model.Sequence is not null)
            CheckSequence(request, model);
        for (var i = request.InputCount - 1; i >= 0; i--)
        {
            ref var input = ref request.Inputs[i];
            CheckTensor(in input, model.Inputs[input.Index], model, request.RowCount);
        }
    }

    private static void BindOutputs(InferRequest request, ModelSettings model)
    {
        foreach (ref var output in request.RequestedOutputs)
        {
            var name = request.Text(output.Name);
            for (var i = 0; i < model.Outputs.Length && output.Index < 0; i++)
            {
                if (name.SequenceEqual(model.Outputs[i].NameUtf8))
                    output.Index = i;
            }

            if (output.Index < 0)
                throw Invalid($"unexpected inference output '{Text(name)}' for model '{model.Name}'");
        }
    }

    private static void BindInputs(InferRequest request, ModelSettings model)
    {
        var byIndex = request.InputByIndex;
        byIndex.Fill(-1);
        var bound = 0;
        for (var position = 0; position < request.InputCount; position++)
        {
            ref var input = ref request.Inputs[position];
            var name = request.Text(input.Name);
            for (var i = 0; i < byIndex.Length; i++)
            {
                // Clients send inputs in the model's order nearly always, so the first comparison hits.
                var candidate = (position + i) % byIndex.Length;
                if (!name.SequenceEqual(model.Inputs[candidate].NameUtf8))
                    continue;
                if (byIndex[candidate] >= 0)
                    throw Invalid($"input '{Text(name)}' already exists in request");
                byIndex[candidate] = position;
                input.Index = candidate;
                bound++;
                break;
            }
        }

        CheckInputCount(request, model);
        if (bound == request.InputCount)
            return;
        for (var i = request.InputCount - 1; i >= 0; i--)
        {
            if (request.Inputs[i].Index < 0)
                throw Invalid(
                    $"unexpected inference input '{request.TextString(request.Inputs[i].Name)}' for model '{model.Name}'");
        }
    }

    private static void CheckInputCount(InferRequest request, ModelSettings model)
    {
        var required = 0;
        var missing = false;
        for (var i = 0; i < model.Inputs.Length; i++)
        {
            if (model.Inputs[i].IsOptional)
                continue;
            required++;
            missing |= request.InputByIndex[i] < 0;
        }

        // With the right number and an unknown name, the unknown name is the error.
        var most = model.Inputs.Length;
        var isCountRight = request.InputCount >= required && request.InputCount <= most;
        if (isCountRight && (!missing || HasUnknown(request)))
            return;
        var expected = required == most
            ? $"expected {most} inputs but got {request.InputCount} inputs"
            : $"expected number of inputs between {required} and {most} but got {request.InputCount} inputs";
        throw Invalid(
            $"{expected} for model '{model.Name}'. Got input(s) [{SentNames(request)}], but missing required input(s) " +
            $"[{MissingNames(request, model)}]. Please provide all required input(s).");
    }

    private static bool HasUnknown(InferRequest request)
    {
        foreach (ref var input in request.Inputs)
        {
            if (input.Index < 0)
                return true;
        }

        return false;
    }

    private static string SentNames(InferRequest request)
    {
        var names = new List<string>();
        foreach (ref var input in request.Inputs)
            names.Add($"'{request.TextString(input.Name)}'");
        return string.Join(',', names);
    }

    private static string MissingNames(InferRequest request, ModelSettings model)
    {
        var names = new List<string>();
        for (var i = 0; i < model.Inputs.Length; i++)
        {
            if (!model.Inputs[i].IsOptional && request.InputByIndex[i] < 0)
                names.Add($"'{model.Inputs[i].Name}'");
        }

        return string.Join(',', names);
    }

    private static void CheckBatch(InferRequest request, ModelSettings model)
    {
        request.RowCount = 1;
        if (model.MaxBatchSize == 0)
            return;
        long rows = -1;
        for (var i = request.InputCount - 1; i >= 0; i--)
        {
            ref var input = ref request.Inputs[i];
            if (model.Inputs[input.Index].IsShapeTensor)
                continue;
            if (input.Shape.Rank == 0)
                throw Invalid(
                    $"input '{request.TextString(input.Name)}' has no shape but model requires batch dimension for " +
                    $"'{model.Name}'");
            if (rows >= 0 && rows != input.Shape[0])
                throw Invalid(
                    $"input '{request.TextString(input.Name)}' batch size does not match other inputs for '{model.Name}'");
            rows = input.Shape[0];
        }

        if (rows > model.MaxBatchSize)
            throw Invalid(
                $"inference request batch-size must be <= {model.MaxBatchSize} for '{model.Name}'");
        request.RowCount = (int)Math.Max(rows, 0);
    }

    private static void CheckSequence(InferRequest request, ModelSettings model)
    {
        var control = model.Sequence!.Controls.FirstOrDefault(control => control.Kind == ControlKind.CorrelationId);
        var isNamed = !request.SequenceName.IsEmpty;
        if (control is null || isNamed == (control.DataType == DataType.Bytes) || (!isNamed && request.SequenceId == 0))
            return;
        throw Invalid(
            $"sequence batching control '{control.Name}' data-type is '{(isNamed ? DataType.Bytes : DataType.UInt64).WireName()}', but " +
            $"model '{model.Name}' expects '{control.DataType.WireName()}'");
    }

    private static void CheckTensor(in InputTensor input, TensorSettings expected, ModelSettings model, int rows)
    {
        if (input.DataType != expected.DataType)
            throw Invalid(
                $"inference input '{expected.Name}' data-type is '{input.DataType.WireName()}', but model '{model.Name}' " +
                $"expects '{expected.DataType.WireName()}'");
        var isBatched = model.MaxBatchSize > 0 && !expected.IsShapeTensor;
        if (!Fits(input.Shape.Dimensions, expected, isBatched))
            throw Invalid(
                $"unexpected shape for input '{expected.Name}' for model '{model.Name}'. Expected " +
                $"{Expected(expected, isBatched)}, got {input.Shape}.{(isBatched ? BatchNote : "")}");
        if (!input.HasData)
            throw Invalid($"input '{expected.Name}' for model '{model.Name}' has no data");
        if (input.DataType == DataType.Bytes)
            CheckStrings(in input, expected, model);
        else
            CheckByteSize(in input, expected, model);
    }

    private static bool Fits(ReadOnlySpan<long> sent, TensorSettings expected, bool isBatched)
    {
        if (isBatched)
            sent = sent[1..];
        foreach (var dimension in sent)
        {
            if (dimension < 0)
                return false;
        }

        return Matches(sent, expected.Dims) || Matches(sent, expected.ClientDims) || (expected.AcceptsFewer && HasFewer(sent, expected.Dims));
    }

    private static bool HasFewer(ReadOnlySpan<long> sent, ReadOnlySpan<long> dims) =>
        sent.Length == dims.Length && sent.Length > 0 && sent[^1] < dims[^1] && Matches(sent[..^1], dims[..^1]);

    private static bool Matches(ReadOnlySpan<long> sent, ReadOnlySpan<long> dims)
    {
        if (sent.Length != dims.Length)
            return false;
        for (var i = 0; i < dims.Length; i++)
        {
            if (dims[i] >= 0 && dims[i] != sent[i])
                return false;
        }

        return true;
    }

    private static string Expected(TensorSettings expected, bool isBatched)
    {
        long[] dims = isBatched ? [-1, .. expected.ClientDims] : expected.ClientDims;
        return $"[{string.Join(',', dims)}]";
    }

    private static void CheckByteSize(in InputTensor input, TensorSettings expected, ModelSettings model)
    {
        if (!input.Shape.TryGetByteSize(input.DataType, out var byteSize))
            throw Invalid(
                $"input '{expected.Name}' for model '{model.Name}': shape {input.Shape} causes total element count to exceed " +
                "maximum size of 9223372036854775807");
        if (byteSize != input.Data.Length)
            throw Invalid(
                $"input byte size mismatch for input '{expected.Name}' for model '{model.Name}'. Expected {byteSize}, got " +
                $"{input.Data.Length}");
    }

    private static void CheckStrings(in InputTensor input, TensorSettings expected, ModelSettings model)
    {
        if (!input.Shape.TryGetElementCount(out var elementCount))
            throw Invalid(
                $"input '{expected.Name}' for model '{model.Name}': shape {input.Shape} causes total element count to exceed " +
                "maximum size of 9223372036854775807");
        var found = CountStrings(in input, expected, model, elementCount);
        if (found != elementCount)
            throw Invalid(
                $"expected {elementCount} string elements for inference input '{expected.Name}' for model '{model.Name}', " +
                $"got {found}");
    }

    private static long CountStrings(in InputTensor input, TensorSettings expected, ModelSettings model, long limit)
    {
        var reader = new SequenceReader<byte>(input.Data);
        long count = 0;
        while (reader.Remaining > 0)
        {
            if (count == limit)
                throw Invalid(
                    $"unexpected number of string elements {count + 1} for inference input '{expected.Name}' for model " +
                    $"'{model.Name}', expecting {limit}");
            if (!reader.TryReadLittleEndian(out int length))
                throw Invalid(
                    $"incomplete string length indicator for inference input '{expected.Name}' for model '{model.Name}', " +
                    $"expecting 4 bytes but only {reader.Remaining} bytes available");
            if ((uint)length > (ulong)reader.Remaining)
                throw Invalid(
                    $"incomplete string data for inference input '{expected.Name}' for model '{model.Name}', expecting string " +
                    $"of length {(uint)length} but only {reader.Remaining} bytes available");
            reader.Advance((uint)length);
            count++;
        }

        return count;
    }

    private static string Text(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetString(utf8);

    private static InferenceException Invalid(string message) => InferenceException.Invalid(message);
}
