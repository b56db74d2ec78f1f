using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>Replaces an output's values by its best classes: texts of the form <c>value:index:label</c> (spec §1.5).</summary>
/// <remarks>The value is written as C++'s <c>to_string</c> does: integers plain, floats with six decimals. Among equal values the
/// lower index comes first; what is no number comes last.</remarks>
internal static class ClassRanking
{
    private const long MaxElements = 1_000_000;

    // The largest double has 309 digits before its point.
    private const int LongestValue = 320;

    public static void CheckType(DataType type)
    {
        if (type is DataType.Bytes or DataType.Fp16 or DataType.Bf16 or DataType.Bool or DataType.Invalid)
            throw InferenceException.Invalid(
                $"class result not available for output due to unsupported type '{type.WireName()}'");
    }

    public static void Apply(InferRequest request, ref OutputTensor output, int classCount, TensorBufferPool pool)
    {
        var settings = request.Settings!;
        CheckType(output.DataType);
        if (!output.Shape.TryGetElementCount(out var elementCount) || elementCount > MaxElements)
            throw InferenceException.Invalid("classification output tensor too large");
        var isBatched = settings.MaxBatchSize > 0 && output.Shape.Rank > 0;
        var rows = isBatched ? (int)output.Shape[0] : 1;
        var perRow = rows == 0 ? 0 : (int)elementCount / rows;
        var kept = Math.Min(classCount, perRow);
        using var text = new TextBuffer(pool);
        for (var row = 0; row < rows; row++)
            WriteRow(text, in output, row * perRow, perRow, kept, settings.Outputs[output.Index].Labels);
        output.Buffer = text.Detach();
        request.Placement.OwnOutput(output.Buffer);
        output.Offset = 0;
        output.Length = output.Buffer.Length;
        output.DataType = DataType.Bytes;
        output.Shape = isBatched ? Shape.Create([rows, kept]) : Shape.Create([kept]);
    }

    private static void WriteRow(
        TextBuffer text, in OutputTensor output, int start, int count, int kept, ImmutableArray<byte[]> labels)
    {
        switch (output.DataType)
        {
            case DataType.UInt8:
                WriteRow<byte>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.UInt16:
                WriteRow<ushort>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.UInt32:
                WriteRow<uint>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.UInt64:
                WriteRow<ulong>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.Int8:
                WriteRow<sbyte>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.Int16:
                WriteRow<short>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.Int32:
                WriteRow<int>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.Int64:
                WriteRow<long>(text, output.Data, start, count, kept, labels);
                break;
            case DataType.Fp32:
                WriteRow<float>(text, output.Data, start, count, kept, labels);
                break;
            default:
                WriteRow<double>(text, output.Data, start, count, kept, labels);
                break;
        }
    }

    private static void WriteRow<T>(
        TextBuffer text, ReadOnlySpan<byte> data, int start, int count, int kept, ImmutableArray<byte[]> labels)
        where T : unmanaged, INumber<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(data).Slice(start, count);
        var indexes = ArrayPool<int>.Shared.Rent(Math.Max(kept, 1));
        try
        {
            var best = indexes.AsSpan(0, kept);
            FindBest(values, best);
            foreach (var index in best)
                WriteClass(text, values[index], index, index < labels.Length ? labels[index] : []);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(indexes);
        }
    }

    /// <summary>Finds the best elements with a heap of as many as are wanted, whose root is the worst of them.</summary>
    internal static void FindBest<T>(ReadOnlySpan<T> values, Span<int> best)
        where T : INumber<T>
    {
        if (best.IsEmpty)
            return;
        for (var i = 0; i < best.Length; i++)
            best[i] = i;
        for (var i = (best.Length / 2) - 1; i >= 0; i--)
            Sink(values, best, i);
        for (var i = best.Length; i < values.Length; i++)
        {
            if (!IsBetter(values, i, best[0]))
                continue;
            best[0] = i;
            Sink(values, best, 0);
        }

        // The worst goes to the end, again and again, which leaves the best in front.
        for (var end = best.Length - 1; end > 0; end--)
        {
            (best[0], best[end]) = (best[end], best[0]);
            Sink(values, best[..end], 0);
        }
    }

    private static void Sink<T>(ReadOnlySpan<T> values, Span<int> heap, int at)
        where T : INumber<T>
    {
        while ((2 * at) + 1 is var child && child < heap.Length)
        {
            if (child + 1 < heap.Length && IsBetter(values, heap[child], heap[child + 1]))
                child++;
            if (!IsBetter(values, heap[at], heap[child]))
                return;
            (heap[at], heap[child]) = (heap[child], heap[at]);
            at = child;
        }
    }

    private static bool IsBetter<T>(ReadOnlySpan<T> values, int left, int right)
        where T : INumber<T>
    {
        var (a, b) = (values[left], values[right]);
        if (a > b)
            return true;
        if (a < b)
            return false;
        return T.IsNaN(a) == T.IsNaN(b) ? left < right : T.IsNaN(b);
    }

    private static void WriteClass<T>(TextBuffer text, T value, int index, ReadOnlySpan<byte> label)
        where T : INumber<T>
    {
        Span<byte> head = stackalloc byte[LongestValue + 16];
        var length = Format(value, head);
        head[length++] = (byte)':';
        index.TryFormat(head[length..], out var written, default, CultureInfo.InvariantCulture);
        length += written;
        var total = length + (label.IsEmpty ? 0 : 1 + label.Length);
        var target = text.GetSpan(sizeof(int) + total);
        BinaryPrimitives.WriteInt32LittleEndian(target, total);
        head[..length].CopyTo(target[sizeof(int)..]);
        if (!label.IsEmpty)
        {
            target[sizeof(int) + length] = (byte)':';
            label.CopyTo(target[(sizeof(int) + length + 1)..]);
        }

        text.Advance(sizeof(int) + total);
    }

    internal static int Format<T>(T value, Span<byte> target)
        where T : INumber<T>
    {
        int length;
        if (typeof(T) != typeof(float) && typeof(T) != typeof(double))
        {
            value.TryFormat(target, out length, default, CultureInfo.InvariantCulture);
            return length;
        }

        if (T.IsFinite(value))
        {
            double.CreateChecked(value).TryFormat(target, out length, "F6", CultureInfo.InvariantCulture);
            return length;
        }

        var word = T.IsNaN(value) ? (T.IsNegative(value) ? "-nan"u8 : "nan"u8) : T.IsNegative(value) ? "-inf"u8 : "inf"u8;
        word.CopyTo(target);
        return word.Length;
    }

    /// <summary>Pooled memory that grows as text is written.</summary>
    private sealed class TextBuffer(TensorBufferPool pool) : IDisposable
    {
        private const int FirstSize = 1024;

        private TensorBuffer? _buffer = pool.Rent(FirstSize);
        private int _length;

        public Span<byte> GetSpan(int size)
        {
            if (_buffer!.Length - _length < size)
            {
                var larger = pool.Rent((int)Math.Clamp(2L * _buffer.Length, checked(_length + size), Array.MaxLength));
                _buffer.GetSpan()[.._length].CopyTo(larger.GetSpan());
                _buffer.Dispose();
                _buffer = larger;
            }

            return _buffer.GetSpan().Slice(_length, size);
        }

        public void Advance(int count) => _length += count;

        /// <summary>Hands the memory over, cut to what was written.</summary>
        public TensorBuffer Detach()
        {
            var buffer = _buffer!;
            _buffer = null;
            buffer.Shrink(_length);
            return buffer;
        }

        public void Dispose() => _buffer?.Dispose();
    }
}
