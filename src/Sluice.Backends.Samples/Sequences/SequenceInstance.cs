using System.Buffers.Binary;
using System.Globalization;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Sequences;

/// <summary>Serves <see cref="SequenceModel"/>; sums live as long as the instance, or until their sequence ends.</summary>
/// <remarks>Rules for each row: <c>READY</c> 0 leaves the sum alone; <c>START</c> 1 begins anew with the sum of the row's
/// values, otherwise they are added; <c>END</c> 1 adds <c>CORRID</c> and forgets the sequence. Every element of the output
/// is the sum.</remarks>
internal sealed class SequenceInstance(
    ModelSettings settings, SequenceKind kind, int[] inputs, TimeSpan delay, TimeProvider time) : IModelInstance
{
    private readonly Dictionary<ulong, int> _sums = [];
    private readonly SampleDelay _delay = new(settings, time);

    private enum Role
    {
        Input,
        Start,
        Ready,
        End,
        Correlation,
    }

    public async ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        await _delay.WaitAsync(delay).ConfigureAwait(false);
        Add(batch);
    }

    public void Terminate() => _delay.Terminate();

    public void Dispose()
    {
    }

    private void Add(ExecutionBatch batch)
    {
        var values = SampleTensors.Read<int>(batch, inputs[(int)Role.Input]);
        var shape = batch.Inputs[inputs[(int)Role.Input]].Shape;
        var results = SampleTensors.Write<int>(batch, 0, in shape, values.Length);
        var width = batch.RowCount == 0 ? 0 : values.Length / batch.RowCount;
        for (var row = 0; row < batch.RowCount; row++)
            results.Slice(row * width, width).Fill(Step(batch, row, values.Slice(row * width, width)));
    }

    private int Step(ExecutionBatch batch, int row, ReadOnlySpan<int> values)
    {
        if (Control(batch, Role.Ready, row) == 0)
            return 0;
        var key = kind == SequenceKind.Slots ? (ulong)row : Correlation(batch, row);
        var sum = Control(batch, Role.Start, row) != 0 ? 0 : _sums.GetValueOrDefault(key);
        foreach (var value in values)
            sum = unchecked(sum + value);
        if (kind == SequenceKind.Correlations && Control(batch, Role.End, row) != 0)
        {
            _sums.Remove(key);
            return unchecked(sum + (int)key);
        }

        _sums[key] = sum;
        return sum;
    }

    private ulong Correlation(ExecutionBatch batch, int row)
    {
        var index = inputs[(int)Role.Correlation];
        if (batch.Inputs[index].DataType != DataType.Bytes)
            return SampleTensors.Read<ulong>(batch, index)[row];
        var texts = SampleTensors.Read<byte>(batch, index);
        for (; row > 0; row--)
            texts = texts[(sizeof(int) + BinaryPrimitives.ReadInt32LittleEndian(texts))..];
        var text = texts.Slice(sizeof(int), BinaryPrimitives.ReadInt32LittleEndian(texts));
        return ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw InferenceException.Invalid($"model '{settings.Name}' wants sequence ids that are numbers");
    }

    private int Control(ExecutionBatch batch, Role role, int row) => SampleTensors.Read<int>(batch, inputs[(int)role])[row];
}
