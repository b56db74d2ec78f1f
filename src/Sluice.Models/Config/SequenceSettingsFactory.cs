using System.Buffers.Binary;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using BatchInput = Sluice.Protocol.Inference.BatchInput;
using DataType = Sluice.Tensors.DataType;
using Kind = Sluice.Protocol.Inference.ModelSequenceBatching.Types.Control.Types.Kind;

namespace Sluice.Models;

/// <summary>Turns a configuration's sequences, batch inputs and batch outputs into settings.</summary>
internal static class SequenceSettingsFactory
{
    /// <summary>Converts sequences; faults are <see cref="SequenceConfigValidator"/>'s to find.</summary>
    public static SequenceSettings? Create(ModelConfig config) => config.SequenceBatching is not { } batching ? null : new()
    {
        MaxIdleMicroseconds = ModelSettingsFactory.Clamp(batching.MaxSequenceIdleMicroseconds),
        IsIterative = batching.IterativeSequence,
        Oldest = batching.Oldest is { } oldest ? Convert(oldest) : null,
        MaxQueueDelayMicroseconds = ModelSettingsFactory.Clamp(batching.Direct?.MaxQueueDelayMicroseconds ?? 0),
        MinimumSlotUtilization = batching.Direct?.MinimumSlotUtilization ?? 0,
        Controls = [.. batching.ControlInput.SelectMany(input => input.Control.Select(control => Convert(input.Name, control)))],
        States = [.. batching.State.Select(Convert)],
    };

    public static BatchInputSettings Convert(BatchInput input) => new()
    {
        Kind = (BatchInputKind)input.Kind,
        TargetNames = [.. input.TargetName],
        DataType = (DataType)input.DataType,
        SourceInput = input.SourceInput.FirstOrDefault() ?? "",
    };

    public static BatchOutputSettings Convert(BatchOutput output) => new()
    {
        TargetNames = [.. output.TargetName],
        SourceInput = output.SourceInput.FirstOrDefault() ?? "",
    };

    private static OldestSettings Convert(ModelSequenceBatching.Types.StrategyOldest oldest) => new()
    {
        MaxCandidateSequences = Math.Max(1, oldest.MaxCandidateSequences),
        PreferredBatchSizes = [.. oldest.PreferredBatchSize.Distinct().Order()],
        MaxQueueDelayMicroseconds = ModelSettingsFactory.Clamp(oldest.MaxQueueDelayMicroseconds),
        PreserveOrdering = oldest.PreserveOrdering,
    };

    private static ControlSettings Convert(string name, ModelSequenceBatching.Types.Control control)
    {
        var (type, no, yes) = control switch
        {
            { Int32FalseTrue: [var low, var high] } => (DataType.Int32, Bytes(low), Bytes(high)),
            { Fp32FalseTrue: [var low, var high] } => (DataType.Fp32, Bytes(low), Bytes(high)),
            { BoolFalseTrue: [var low, var high] } => (DataType.Bool, [(byte)(low ? 1 : 0)], [(byte)(high ? 1 : 0)]),
            _ => ((DataType)control.DataType, Array.Empty<byte>(), Array.Empty<byte>()),
        };
        return new ControlSettings
        {
            Name = name,
            Kind = control.Kind switch
            {
                Kind.ControlSequenceStart => ControlKind.Start,
                Kind.ControlSequenceReady => ControlKind.Ready,
                Kind.ControlSequenceEnd => ControlKind.End,
                _ => ControlKind.CorrelationId,
            },
            DataType = type,
            False = no,
            True = yes,
        };
    }

    private static StateSettings Convert(ModelSequenceBatching.Types.State state)
    {
        var initial = state.InitialState.FirstOrDefault();
        return new StateSettings
        {
            InputName = state.InputName,
            OutputName = state.OutputName,
            DataType = (DataType)state.DataType,
            Dims = [.. state.Dims],
            InitialDims = initial is null ? [.. state.Dims.Select(d => d < 0 ? 1 : d)] : [.. initial.Dims],
            InitialFile = initial?.DataFile ?? "",
        };
    }

    private static byte[] Bytes(int value)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(float value) => Bytes(BitConverter.SingleToInt32Bits(value));
}
