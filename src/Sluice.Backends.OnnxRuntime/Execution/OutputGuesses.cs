using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>One instance's use of an <see cref="OutputShapePlan"/>; works shapes out anew only when something changed.</summary>
internal sealed class OutputGuesses
{
    private readonly OutputShapePlan _plan;
    private readonly GraphTensor[] _outputs;
    private readonly Guess[] _guesses;
    private readonly long[] _symbols;
    private readonly long[] _resolvedFor;
    private int _resolvedVersion = -1;

    public OutputGuesses(OutputShapePlan plan, GraphTensor[] outputs)
    {
        _plan = plan;
        _outputs = outputs;
        _guesses = new Guess[outputs.Length];
        _symbols = new long[plan.SymbolCount];
        _resolvedFor = new long[plan.SymbolCount];
    }

    public ref readonly Guess this[int outputIndex] => ref _guesses[outputIndex];

    public void Begin(int rowCount) => OutputShapePlan.Begin(_symbols, rowCount);

    public void Collect(int inputIndex, in Shape shape) => _plan.CollectSymbols(inputIndex, shape, _symbols);

    public void Resolve()
    {
        var version = _plan.Version;
        if (_resolvedVersion == version && _symbols.AsSpan().SequenceEqual(_resolvedFor)) return;
        for (var i = 0; i < _guesses.Length; i++)
        {
            ref var guess = ref _guesses[i];
            guess.IsKnown = _plan.TryResolve(i, _symbols, out guess.Shape)
                && guess.Shape.TryGetByteSize(_outputs[i].DataType, out guess.ByteSize);
        }

        _symbols.CopyTo(_resolvedFor, 0);
        _resolvedVersion = version;
    }

    internal struct Guess
    {
        public bool IsKnown;
        public Shape Shape;
        public long ByteSize;
    }
}
