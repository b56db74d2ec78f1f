using System.Buffers.Binary;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Walks over an output of a batch, from one request's rows to the next one's.</summary>
internal struct RowWalk
{
    private readonly TensorBuffer _buffer;
    private readonly Shape _shape;
    private readonly bool _isWhole;
    private readonly bool _isText;
    private readonly int _scatterSource;
    private readonly long _perRow;
    private int _offset;

    /// <param name="batch">Has run.</param>
    /// <param name="index">Which output.</param>
    /// <param name="buffer">Its data.</param>
    /// <param name="shape">Its dimensions, the batch dimension included.</param>
    /// <param name="isWhole">The batch has one request, which gets all of it.</param>
    /// <exception cref="InferenceException">The output does not have the rows that went in.</exception>
    public RowWalk(ExecutionBatch batch, int index, TensorBuffer buffer, in Shape shape, bool isWhole)
    {
        _buffer = buffer;
        _shape = shape;
        _isWhole = isWhole;
        var output = batch.Settings.Outputs[index];
        _scatterSource = output.ScatterSource ?? -1;
        _isText = output.DataType == DataType.Bytes;
        if (_scatterSource >= 0)
        {
            _isWhole = false;
            _perRow = _isText ? 1 : output.DataType.ElementSize();
            return;
        }

        if (isWhole)
            return;
        if (shape.Rank == 0 || shape[0] != batch.RowCount)
            throw new InferenceException(
                InferenceCode.Internal,
                $"output '{output.Name}' of model '{batch.Settings.Name}' has shape {shape} for a batch of {batch.RowCount} rows");
        _perRow = !_isText ? batch.RowCount == 0 ? 0 : buffer.Length / batch.RowCount
            : shape.WithDimension(0, 1).TryGetElementCount(out var count) ? count : 0;
    }

    /// <summary>Moves on by one request.</summary>
    /// <param name="request">The request; its rows, or the shape of its input, say how much is its part.</param>
    /// <param name="shape">All dimensions of its part.</param>
    /// <param name="offset">First byte of its part.</param>
    /// <param name="length">Bytes of its part.</param>
    /// <exception cref="InferenceException">The output has fewer elements than the inputs that give its shape.</exception>
    public void Next(InferRequest request, out Shape shape, out int offset, out int length)
    {
        offset = _offset;
        if (_isWhole)
        {
            (shape, length) = (_shape, _buffer.Length);
            return;
        }

        if (_scatterSource >= 0)
        {
            var position = request.InputByIndex[_scatterSource];
            shape = position >= 0 ? request.Inputs[position].Shape : Shape.Create([0]);
            length = Scatter(request, in shape);
            _offset += length;
            return;
        }

        var rows = request.RowCount;
        shape = _shape.WithDimension(0, rows);
        length = _isText ? MeasureStrings(_buffer.GetSpan()[_offset..], _perRow * rows) : (int)(_perRow * rows);
        _offset += length;
    }

    private readonly int Scatter(InferRequest request, in Shape shape)
    {
        shape.TryGetElementCount(out var count);
        var rest = _buffer.GetSpan()[_offset..];
        if (_isText)
            return MeasureStrings(rest, count);
        var length = count * _perRow;
        if (length > rest.Length)
            throw new InferenceException(
                InferenceCode.Internal,
                $"a scattered output of model '{request.Settings?.Name}' has {_buffer.Length} bytes, too few for a request whose input has " +
                $"shape {shape}");
        return (int)length;
    }

    private static int MeasureStrings(ReadOnlySpan<byte> data, long count)
    {
        var length = 0;
        for (; count > 0; count--)
            length += sizeof(int) + BinaryPrimitives.ReadInt32LittleEndian(data[length..]);
        return length;
    }
}
