using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Protocol.Tests;

/// <summary>Makes answered requests without a scheduler.</summary>
internal static class Responses
{
    public static ModelSettings Settings(params (string Name, DataType Type)[] outputs) => new()
    {
        Name = "größe",
        Version = "12",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        Outputs = [.. outputs.Select(output => new TensorSettings
        {
            Name = output.Name,
            DataType = output.Type,
            Dims = [-1],
        })],
    };

    /// <summary>Adds an output that lies at an offset in a buffer of the pool, as a row of a batch does.</summary>
    public static void Add(InferRequest request, int index, in Shape shape, byte[] data, TensorBuffer buffer, int offset)
    {
        data.CopyTo(buffer.GetSpan()[offset..]);
        ref var output = ref request.AddOutput();
        output.Index = index;
        output.DataType = request.Settings!.Outputs[index].DataType;
        output.Shape = shape;
        output.Buffer = buffer;
        output.Offset = offset;
        output.Length = data.Length;
    }
}
