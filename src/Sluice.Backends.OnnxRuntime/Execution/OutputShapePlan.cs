using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Tells output shapes from input shapes by the names of the graph's free dimensions.</summary>
/// <remarks>
/// A dimension named <c>N</c> in an input has in every output the value that it has there. Files are not always true to
/// that, so an answer is a guess which the engine checks; an output that was guessed wrong is not guessed again.
/// <para><b>Threads.</b> Any number; only <see cref="Distrust"/> changes anything.</para>
/// </remarks>
internal sealed class OutputShapePlan
{
    private const int RowSymbol = 0;
    private const long Unknown = -1;

    private readonly List<string> _symbols = ["rows of the batch"];
    private readonly (int Dimension, int Symbol)[][] _inputs;
    private readonly long[]?[] _outputs;
    private int _version;

    public OutputShapePlan(ModelSettings settings, IEnumerable<GraphTensor> inputs, IEnumerable<GraphTensor> outputs)
    {
        var isBatching = settings.MaxBatchSize > 0;
        _inputs = [.. inputs.Select(Sources)];
        _outputs = [.. outputs.Select(tensor => Template(tensor, isBatching))];
    }

    /// <summary>Number of values that <see cref="CollectSymbols"/> fills.</summary>
    public int SymbolCount => _symbols.Count;

    /// <summary>Changes with every <see cref="Distrust"/>.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>Notes the values of an input's named dimensions; call for each input after <see cref="Begin"/>.</summary>
    public void CollectSymbols(int inputIndex, in Shape shape, Span<long> values)
    {
        foreach (var (dimension, symbol) in _inputs[inputIndex])
        {
            if (dimension >= shape.Rank) continue;
            var value = shape[dimension];

            // Two inputs that disagree (a broadcast) say nothing of the outputs; -2 keeps a third from deciding.
            values[symbol] = values[symbol] == Unknown || values[symbol] == value ? value : -2;
        }
    }

    /// <summary>Starts a new execution.</summary>
    public static void Begin(Span<long> values, int rowCount)
    {
        values.Fill(Unknown);
        values[RowSymbol] = rowCount;
    }

    /// <summary>Works out the shape of an output.</summary>
    /// <returns>False when it is only known after the execution.</returns>
    public bool TryResolve(int outputIndex, ReadOnlySpan<long> values, out Shape shape)
    {
        shape = default;
        var template = Volatile.Read(ref _outputs[outputIndex]);
        if (template is null) return false;
        Span<long> dimensions = stackalloc long[Shape.MaxRank];
        for (var i = 0; i < template.Length; i++)
        {
            var dimension = template[i] >= 0 ? template[i] : values[(int)~template[i]];
            if (dimension < 0) return false;
            dimensions[i] = dimension;
        }

        shape = Shape.Create(dimensions[..template.Length]);
        return true;
    }

    /// <summary>Stops guessing an output.</summary>
    public void Distrust(int outputIndex)
    {
        Volatile.Write(ref _outputs[outputIndex], null);
        Interlocked.Increment(ref _version);
    }

    private (int Dimension, int Symbol)[] Sources(GraphTensor tensor)
    {
        var sources = new List<(int Dimension, int Symbol)>();
        for (var i = 0; i < tensor.Symbols.Length; i++)
        {
            if (tensor.Symbols[i] is not { } name) continue;
            var symbol = _symbols.IndexOf(name, 1);
            if (symbol < 0)
            {
                symbol = _symbols.Count;
                _symbols.Add(name);
            }

            sources.Add((i, symbol));
        }

        return [.. sources];
    }

    // Free dimensions become the complement of their symbol's index; null when one cannot be told from the inputs.
    private long[]? Template(GraphTensor tensor, bool isBatching)
    {
        if (tensor.Dims is not { Length: <= Shape.MaxRank } dims || tensor.DataType == DataType.Bytes) return null;
        var template = new long[dims.Length];
        for (var i = 0; i < dims.Length; i++)
        {
            template[i] = dims[i];
            if (dims[i] >= 0) continue;
            var symbol = tensor.Symbols[i] is { } name ? _symbols.IndexOf(name, 1) : -1;
            if (symbol < 0 && tensor.Symbols[i] is null && i == 0 && isBatching) symbol = RowSymbol;
            if (symbol < 0) return null;
            template[i] = ~symbol;
        }

        return template;
    }
}
