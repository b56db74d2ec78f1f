using System.Buffers;
using System.Buffers.Binary;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Makes requests of harmless values that fit a model, for warming and checking it.</summary>
/// <remarks>Floats lie in [0, 1), integers are 0 or 1, so that they are valid as indexes; free dimensions are 1.</remarks>
internal sealed class SampleRows(ModelSettings settings)
{
    /// <summary>Fills an empty request with rows <paramref name="firstRow"/> and following of the endless sample.</summary>
    public void Fill(InferRequest request, int firstRow, int rowCount)
    {
        foreach (var tensor in settings.Inputs)
        {
            if (tensor.IsOptional)
                continue;
            var isBatched = settings.MaxBatchSize > 0 && !tensor.IsShapeTensor;
            var row = Shape.Create([.. tensor.Dims.Select(dimension => Math.Max(1, dimension))]);
            if (!row.TryGetElementCount(out var perRow) || perRow * rowCount > 1 << 26)
                throw InferenceException.Invalid($"input '{tensor.Name}' is too large for a sample");
            var data = new ArrayBufferWriter<byte>();
            for (var r = firstRow; r < firstRow + (isBatched ? rowCount : 1); r++)
            {
                var random = new Random((r * 31) + tensor.Name.Length);
                for (long i = 0; i < perRow; i++)
                    WriteElement(data, tensor.DataType, random.NextSingle());
            }

            ref var input = ref request.AddInput();
            input.Name = request.AddText(tensor.NameUtf8);
            input.DataType = tensor.DataType;
            input.Shape = isBatched ? row.Prepend(rowCount) : row;
            input.Data = new ReadOnlySequence<byte>(data.WrittenMemory);
            input.HasData = true;
        }

        RequestBinder.Bind(request, settings);
    }

    /// <summary>Writes one element made of a number from 0 to 1.</summary>
    public static void WriteElement(ArrayBufferWriter<byte> data, DataType type, float value)
    {
        var span = data.GetSpan(8);
        var bit = value < 0.5f ? 0 : 1;
        switch (type)
        {
            case DataType.Fp32:
                BinaryPrimitives.WriteSingleLittleEndian(span, value);
                break;
            case DataType.Fp64:
                BinaryPrimitives.WriteDoubleLittleEndian(span, value);
                break;
            case DataType.Fp16:
                BinaryPrimitives.WriteHalfLittleEndian(span, (Half)value);
                break;
            case DataType.Bf16:
                BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                break;
            case DataType.Bytes:
                BinaryPrimitives.WriteInt32LittleEndian(span, 1);
                span[4] = (byte)('0' + bit);
                data.Advance(5);
                return;
            default:
                BinaryPrimitives.WriteInt64LittleEndian(span, bit);
                break;
        }

        data.Advance(type.ElementSize());
    }
}
