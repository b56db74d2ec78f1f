using System.Collections.Immutable;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>One input or output of a model as its completed configuration states it.</summary>
public sealed record TensorSettings
{
    private readonly string _name = "";

    /// <summary>The tensor's name.</summary>
    public required string Name
    {
        get => _name;
        init
        {
            _name = value;
            NameUtf8 = Encoding.UTF8.GetBytes(value);
        }
    }

    /// <summary><see cref="Name"/> as it comes on the wire.</summary>
    public byte[] NameUtf8 { get; private init; } = [];

    /// <summary>The element type.</summary>
    public required DataType DataType { get; init; }

    /// <summary>Dimensions without the batch dimension; -1 is free.</summary>
    public required long[] Dims { get; init; }

    /// <summary>What the engine sees instead of <see cref="Dims"/> (again without the batch dimension); null = the same.</summary>
    public long[]? Reshape { get; init; }

    /// <summary><see cref="Reshape"/> stands there only because a configuration cannot hold empty dimensions (spec §3.3):
    /// nobody asked for another shape than the file's, so clients may use the file's.</summary>
    public bool IsReshapeImplied { get; init; }

    /// <summary>The dimensions that metadata names and responses have, without the batch dimension.</summary>
    public long[] ClientDims => IsReshapeImplied && Reshape is not null ? Reshape : Dims;

    /// <summary>Inputs only: a request may leave it out.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Inputs only: the last dimension may be smaller than <see cref="Dims"/> say; what is left out is missing to the
    /// model.</summary>
    public bool AcceptsFewer { get; init; }

    /// <summary>Outputs only: index of the input that gives each request's part its shape; null = parts are rows.</summary>
    public int? ScatterSource { get; init; }

    /// <summary>Inputs only: requests of different shapes may share a batch; the model gets their elements one behind the other,
    /// in one dimension.</summary>
    public bool AllowRaggedBatch { get; init; }

    /// <summary>The tensor holds a shape, so it has no batch dimension.</summary>
    public bool IsShapeTensor { get; init; }

    /// <summary>Outputs only: file of class names, relative to the model folder; empty = none.</summary>
    public string LabelFilename { get; init; } = "";

    /// <summary>Outputs only: names of classes as UTF-8, by index; empty = none.</summary>
    public ImmutableArray<byte[]> Labels { get; init; } = [];
}
