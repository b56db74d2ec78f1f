using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Inference;

/// <summary>The part of a request that only tensors in shared memory and outputs as classes need; pooled with it.</summary>
/// <remarks><b>Ownership.</b> Holds regions until <see cref="ReleaseRegions"/>, buffers until outputs are cleared.</remarks>
public sealed class RequestPlacement
{
    private const int KeptItems = 64;

    private readonly List<TensorBuffer> _buffers = [];
    private SharedTensor[] _tensors = new SharedTensor[4];
    private int _count;
    private SharedMemoryRegistry? _regions;

    /// <summary>Places in shared memory that tensors of the request name; a tensor's <c>Shared</c> counts them from 1.</summary>
    public Span<SharedTensor> Tensors => _tensors.AsSpan(0, _count);

    /// <summary>Gives the place of a tensor, making it when it has none.</summary>
    /// <param name="number">The tensor's <c>Shared</c>; set when it was 0.</param>
    /// <returns>Valid until the next place is made.</returns>
    public ref SharedTensor Tensor(ref int number)
    {
        if (number == 0)
        {
            // No bound of its own: there is one for inputs and one for outputs.
            if (_count == _tensors.Length)
                Array.Resize(ref _tensors, 2 * _count);
            _tensors[_count++] = default;
            number = _count;
        }

        return ref _tensors[number - 1];
    }

    /// <summary>Remembers whom regions are given back to.</summary>
    public void HoldRegions(SharedMemoryRegistry owner) => _regions = owner;

    /// <summary>Gives back the regions that the request holds, when their memory is used no more.</summary>
    public void ReleaseRegions()
    {
        foreach (ref var tensor in Tensors)
        {
            if (tensor.Held is { } region)
                _regions!.Release(region);
            tensor.Held = null;
        }
    }

    /// <summary>Keeps a buffer that was made for an output after the model ran.</summary>
    public void OwnOutput(TensorBuffer buffer) => _buffers.Add(buffer);

    /// <summary>Returns the buffers of outputs.</summary>
    internal void ClearOutputs()
    {
        foreach (var buffer in _buffers)
            buffer.Dispose();
        _buffers.Clear();
    }

    /// <summary>Makes it ready for the next use.</summary>
    internal void Clear()
    {
        ReleaseRegions();
        _count = 0;
        _regions = null;
        if (_tensors.Length > KeptItems)
            _tensors = new SharedTensor[4];
    }
}
