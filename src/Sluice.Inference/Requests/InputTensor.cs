using System.Buffers;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>One input of a request, with its data where the front end has it.</summary>
public struct InputTensor
{
    /// <summary>The tensor's name, in the request's text store.</summary>
    public Utf8Slice Name;

    /// <summary>The element type that the client claims.</summary>
    public DataType DataType;

    /// <summary>All dimensions as the client sent them.</summary>
    public Shape Shape;

    /// <summary>Row-major little-endian elements; strings as a 32-bit length and the bytes of each.</summary>
    /// <remarks><b>Ownership.</b> Memory of the message, lent until the request ends, or of <see cref="Owned"/>.</remarks>
    public ReadOnlySequence<byte> Data;

    /// <summary>A buffer that only this tensor uses, such as decoded typed contents; the request disposes it.</summary>
    public TensorBuffer? Owned;

    /// <summary>Index in <see cref="ModelSettings.Inputs"/> once bound.</summary>
    public int Index;

    /// <summary>True when <see cref="Data"/> has been given, be it empty.</summary>
    public bool HasData;

    /// <summary>Bytes of this tensor in the binary part of an HTTP body; -1 = none.</summary>
    public long BinaryByteSize;

    /// <summary>Number of its entry in <see cref="RequestPlacement.Tensors"/>, counted from 1; 0 = not in shared memory.</summary>
    public int Shared;
}

/// <summary>One output that the client asked for.</summary>
public struct RequestedOutput
{
    /// <summary>The tensor's name, in the request's text store.</summary>
    public Utf8Slice Name;

    /// <summary>Index in <see cref="ModelSettings.Outputs"/> once bound.</summary>
    public int Index;

    /// <summary>Number of best classes wanted instead of the values; 0 = the values.</summary>
    public int ClassCount;

    /// <summary>HTTP: answer in the binary part; null = the request's default.</summary>
    public bool? IsBinary;

    /// <summary>Number of its entry in <see cref="RequestPlacement.Tensors"/>, counted from 1; 0 = not in shared memory.</summary>
    public int Shared;
}

/// <summary>One output of a response.</summary>
public struct OutputTensor
{
    /// <summary>Index in <see cref="ModelSettings.Outputs"/>.</summary>
    public int Index;

    /// <summary>The element type.</summary>
    public DataType DataType;

    /// <summary>All dimensions as the client sees them.</summary>
    public Shape Shape;

    /// <summary>The buffer that holds the data, owned by the request's <see cref="ExecutionBatch"/>.</summary>
    public TensorBuffer Buffer;

    /// <summary>First byte in <see cref="Buffer"/>.</summary>
    public int Offset;

    /// <summary>Bytes; 0 once the data has been put into shared memory.</summary>
    public int Length;

    /// <summary>Number of the entry in <see cref="RequestPlacement.Tensors"/> that holds the data, counted from 1; 0 = none.</summary>
    public int Shared;

    /// <summary>The elements, valid until the request is reset.</summary>
    public readonly ReadOnlySpan<byte> Data => Buffer.GetSpan().Slice(Offset, Length);

    /// <summary>The same as <see cref="Data"/>, for writers that keep it.</summary>
    public readonly ReadOnlyMemory<byte> Memory => Buffer.Memory.Slice(Offset, Length);
}
