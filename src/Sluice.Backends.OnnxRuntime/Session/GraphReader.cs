using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Reads the inputs and outputs of a session's graph and refuses what the protocol cannot carry.</summary>
internal sealed unsafe class GraphReader(OrtApi api, nint allocator, nint session)
{
    private enum Side
    {
        Input,
        Output,
        Initializer,
    }

    /// <summary>Inputs that a request has to bring, then those with a default in the file.</summary>
    public GraphTensor[] ReadInputs() => [.. Read(Side.Input), .. Read(Side.Initializer)];

    public GraphTensor[] ReadOutputs() => [.. Read(Side.Output)];

    private List<GraphTensor> Read(Side side)
    {
        nuint count;
        api.Check(side switch
        {
            Side.Input => api.SessionGetInputCount(session, &count),
            Side.Output => api.SessionGetOutputCount(session, &count),
            _ => api.SessionGetInitializerCount(session, &count),
        });
        var tensors = new List<GraphTensor>((int)count);
        try
        {
            for (nuint i = 0; i < count; i++) tensors.Add(ReadTensor(side, i));
        }
        catch
        {
            foreach (var tensor in tensors) NativeText.Free((void*)tensor.NativeName);
            throw;
        }

        return tensors;
    }

    private GraphTensor ReadTensor(Side side, nuint index)
    {
        var name = ReadName(side, index);
        nint info;
        api.Check(side switch
        {
            Side.Input => api.SessionGetInputTypeInfo(session, index, &info),
            Side.Output => api.SessionGetOutputTypeInfo(session, index, &info),
            _ => api.SessionGetInitializerTypeInfo(session, index, &info),
        });
        try
        {
            return ReadType(side, name, info);
        }
        finally
        {
            api.ReleaseTypeInfo(info);
        }
    }

    private string ReadName(Side side, nuint index)
    {
        byte* text;
        api.Check(side switch
        {
            Side.Input => api.SessionGetInputName(session, index, allocator, &text),
            Side.Output => api.SessionGetOutputName(session, index, allocator, &text),
            _ => api.SessionGetInitializerName(session, index, allocator, &text),
        });
        var name = NativeText.Read(text);
        api.Check(api.AllocatorFree(allocator, text));
        return name;
    }

    private GraphTensor ReadType(Side side, string name, nint info)
    {
        var what = side == Side.Output ? "output" : "input";
        int kind;
        api.Check(api.GetOnnxTypeFromTypeInfo(info, &kind));
        if (kind != ElementTypes.TensorKind)
        {
            throw InferenceException.Invalid(
                $"{what} '{name}' is a {ElementTypes.KindName(kind)}; only tensors can be served");
        }

        nint tensor;
        api.Check(api.CastTypeInfoToTensorInfo(info, &tensor));
        int element;
        api.Check(api.GetTensorElementType(tensor, &element));
        var type = ElementTypes.ToDataType(element);
        if (type == DataType.Invalid)
        {
            throw InferenceException.Invalid(
                $"{what} '{name}' has element type {ElementTypes.Name(element)}, which the protocol does not have");
        }

        var dims = ReadDims(side, tensor, out var symbols);
        return new GraphTensor
        {
            Name = name,
            NativeName = (nint)NativeText.Allocate(name),
            Element = element,
            DataType = type,
            Dims = dims,
            Symbols = symbols,
            IsOptional = side == Side.Initializer,
        };
    }

    private long[]? ReadDims(Side side, nint tensor, out string?[] symbols)
    {
        nuint rank;
        api.Check(api.GetDimensionsCount(tensor, &rank));
        symbols = new string?[(int)rank];
        if (rank == 0)
        {
            // An old library reports "no shape" as rank 0; for an output the safe reading is that nothing is known.
            var isKnown = api.HasShape == null ? side != Side.Output : api.HasShape(tensor) != 0;
            return isKnown ? [] : null;
        }

        var dims = new long[(int)rank];
        var names = stackalloc byte*[(int)rank];
        fixed (long* first = dims)
        {
            api.Check(api.GetDimensions(tensor, first, rank));
        }

        api.Check(api.GetSymbolicDimensions(tensor, names, rank));
        for (var i = 0; i < dims.Length; i++)
        {
            if (dims[i] >= 0) continue;
            dims[i] = -1;
            var symbol = NativeText.Read(names[i]);
            symbols[i] = symbol.Length == 0 ? null : symbol;
        }

        return dims;
    }
}
