using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Makes requests from golden cases, split where a case has more rows than the model takes at once.</summary>
internal static class GoldenRequests
{
    /// <summary>Cuts a case into requests of at most <paramref name="maxRows"/> rows; 0 = the model does not batch.</summary>
    public static IEnumerable<GoldenCase> Split(GoldenCase golden, int maxRows)
    {
        var rows = golden.Inputs.Count > 0 && golden.Inputs[0].Dims.Length > 0 ? golden.Inputs[0].Dims[0] : 0;
        if (maxRows == 0 || rows <= maxRows)
        {
            yield return golden;
            yield break;
        }

        for (long start = 0; start < rows; start += maxRows)
        {
            var count = Math.Min(maxRows, rows - start);
            yield return golden with
            {
                Inputs = [.. golden.Inputs.Select(tensor => Slice(tensor, start, count))],
                Outputs = [.. golden.Outputs.Select(tensor => Slice(tensor, start, count))],
            };
        }
    }

    public static InferRequestMessage ToRequest(string model, GoldenCase golden, bool isTyped) => new()
    {
        ModelName = model,
        Id = golden.Name,
        Inputs = [.. golden.Inputs.Select(tensor => ToInput(tensor))],
        UsesTypedContents = isTyped,
    };

    public static InferInput ToInput(GoldenTensor tensor) =>
        InferInput.WrapRaw(tensor.Name, tensor.DataType, tensor.Data, tensor.Dims);

    /// <summary>Tells whether the protocol has a typed field for every input.</summary>
    public static bool CanBeTyped(GoldenCase golden) =>
        golden.Inputs.All(tensor => tensor.DataType is not (DataType.Fp16 or DataType.Bf16));

    private static GoldenTensor Slice(GoldenTensor tensor, long start, long count)
    {
        long[] dims = [count, .. tensor.Dims[1..]];
        if (tensor.DataType == DataType.Bytes)
            throw new NotSupportedException("no golden case of texts needs to be split");
        var rowBytes = tensor.Data.Length / (int)tensor.Dims[0];
        return tensor with { Dims = dims, Data = tensor.Data[(int)(start * rowBytes)..(int)((start + count) * rowBytes)] };
    }
}
