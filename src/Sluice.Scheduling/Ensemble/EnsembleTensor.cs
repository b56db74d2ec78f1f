using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Ensemble;

/// <summary>A tensor on its way from one step to the next: where it lies, never a copy.</summary>
internal struct EnsembleTensor
{
    /// <summary>False while nobody has made it, and for optional inputs that did not come.</summary>
    public bool IsSet;

    /// <summary>The element type.</summary>
    public DataType DataType;

    /// <summary>All dimensions.</summary>
    public Shape Shape;

    /// <summary>The elements, lent by the client's request or by <see cref="Holder"/>.</summary>
    public ReadOnlySequence<byte> Data;

    /// <summary>The request among whose outputs it is; null for the ensemble's own inputs.</summary>
    public InferRequest? Holder;

    /// <summary>Its position among the outputs of <see cref="Holder"/>.</summary>
    public int Position;

    /// <summary>Gives the shape that a taker of a tensor wants: a configuration may write <c>[1]</c> where the file has <c>[]</c>.</summary>
    /// <param name="shape">As it was made.</param>
    /// <param name="taker">Who takes it.</param>
    /// <param name="isBatched">The taker's shapes begin with the batch dimension.</param>
    public static Shape Fit(in Shape shape, TensorSettings taker, bool isBatched)
    {
        var batched = isBatched && !taker.IsShapeTensor ? 1 : 0;
        if (shape.Rank == taker.Dims.Length + batched || Array.Exists(taker.Dims, dimension => dimension < 0) ||
            shape.Rank < batched || !shape.TryGetElementCount(out var count))
            return shape;
        var wanted = Shape.Create(taker.Dims);
        if (batched == 1)
            wanted = wanted.Prepend(shape[0]);
        return wanted.TryGetElementCount(out var wantedCount) && wantedCount == count ? wanted : shape;
    }
}
