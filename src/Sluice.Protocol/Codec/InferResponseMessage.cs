using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>One output of a received response; name and data lie in the message.</summary>
public struct InferOutput
{
    /// <summary>The output's name, UTF-8.</summary>
    public ReadOnlyMemory<byte> NameUtf8;

    /// <summary>Type of the elements; <see cref="DataType.Invalid"/> when the server named one that is unknown here.</summary>
    public DataType DataType;

    /// <summary>The dimensions.</summary>
    public Shape Shape;

    /// <summary>The elements in raw form.</summary>
    public ReadOnlyMemory<byte> Data;
}

/// <summary>A received <c>ModelInferResponse</c> or <c>ModelStreamInferResponse</c>, its parts still where they arrived.</summary>
/// <remarks><b>Ownership.</b> Everything borrows the message's memory, except outputs that came as typed contents.</remarks>
public sealed class InferResponseMessage
{
    private InferOutput[] _outputs = new InferOutput[4];

    /// <summary>Name of the model that ran, UTF-8.</summary>
    public ReadOnlyMemory<byte> ModelNameUtf8 { get; internal set; }

    /// <summary>Its version, UTF-8.</summary>
    public ReadOnlyMemory<byte> ModelVersionUtf8 { get; internal set; }

    /// <summary>The request's id, UTF-8.</summary>
    public ReadOnlyMemory<byte> IdUtf8 { get; internal set; }

    /// <summary>Why a request of a stream failed, UTF-8; empty = it did not.</summary>
    public ReadOnlyMemory<byte> ErrorUtf8 { get; internal set; }

    /// <summary>Entries of the parameters' map, each a message of key (1) and <c>InferParameter</c> (2).</summary>
    public List<ReadOnlyMemory<byte>> ParameterEntries { get; } = [];

    /// <summary>The outputs in the server's order.</summary>
    public ReadOnlySpan<InferOutput> Outputs => _outputs.AsSpan(0, OutputCount);

    /// <summary>How many there are.</summary>
    public int OutputCount { get; private set; }

    internal ref InferOutput AddOutput()
    {
        if (OutputCount == _outputs.Length)
            Array.Resize(ref _outputs, OutputCount * 2);
        return ref _outputs[OutputCount++];
    }

    internal ref InferOutput OutputAt(int index) => ref _outputs[index];
}
