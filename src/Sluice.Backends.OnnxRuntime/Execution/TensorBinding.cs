using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Finds the graph's tensors behind a configuration's, by index.</summary>
internal static class TensorBinding
{
    public static GraphTensor[] Bind(
        IEnumerable<TensorSettings> wanted, GraphTensor[] present, ModelSettings model, string what) =>
        [.. wanted.Select(tensor => Find(tensor, present, model, what))];

    private static GraphTensor Find(TensorSettings wanted, GraphTensor[] present, ModelSettings model, string what)
    {
        var found = Array.Find(present, tensor => tensor.Name == wanted.Name)
            ?? throw InferenceException.Invalid(
                $"model '{model.Name}' is configured with {what} '{wanted.Name}', but its file has only "
                + string.Join(", ", present.Select(tensor => $"'{tensor.Name}'")));
        if (found.DataType == wanted.DataType) return found;
        throw InferenceException.Invalid(
            $"{what} '{wanted.Name}' of model '{model.Name}' is configured as {wanted.DataType}, but its file says "
            + $"{found.DataType}");
    }
}
