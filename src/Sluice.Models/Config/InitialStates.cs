using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>Reads the values that sequences' states start with: zeros, or files of the model's folder
/// <c>initial_state</c>.</summary>
internal static class InitialStates
{
    private const long MaxBytes = 1 << 30;

    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a file is missing, or of another size
    /// than its dimensions say.</exception>
    public static ModelSettings Load(ModelSettings settings) => settings.Sequence is not { States.Length: > 0 } sequence
        ? settings
        : settings with
        {
            Sequence = sequence with
            {
                States = [.. sequence.States.Select(state => state with { InitialData = Read(settings, state) })],
            },
        };

    private static byte[] Read(ModelSettings settings, StateSettings state)
    {
        var shape = Shape.Create(state.InitialDims);
        // An empty string is its length, 0.
        var elementBytes = state.DataType == DataType.Bytes ? sizeof(int) : state.DataType.ElementSize();
        if (!shape.TryGetElementCount(out var count) || count * elementBytes > MaxBytes)
            throw InferenceException.Invalid(
                $"state '{state.InputName}' of model '{settings.Name}' starts with shape {shape}, which is more than {MaxBytes} bytes");
        if (state.InitialFile.Length == 0)
            return new byte[count * elementBytes];
        var place = $"'{state.InitialFile}' of state '{state.InputName}' of model '{settings.Name}'";
        try
        {
            var data = File.ReadAllBytes(Path.Combine(settings.ModelFolder, "initial_state", state.InitialFile));
            if (state.DataType == DataType.Bytes ? CountStrings(data) != count : data.Length < count * elementBytes)
                throw InferenceException.Invalid(
                    $"initial_state setting expects {(state.DataType == DataType.Bytes ? count + " strings" : count * elementBytes + " bytes")}, " +
                    $"but {place} only has {data.Length} bytes");
            return state.DataType == DataType.Bytes ? data : data[..(int)(count * elementBytes)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"initial_state file {place} cannot be read: {error.GetType().Name}", error);
        }
    }

    private static long CountStrings(ReadOnlySpan<byte> data)
    {
        long count = 0;
        for (; data.Length >= sizeof(int); count++)
        {
            var length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(data);
            if (length > data.Length - sizeof(int))
                return -1;
            data = data[(sizeof(int) + (int)length)..];
        }

        return data.IsEmpty ? count : -1;
    }
}
