using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Remote;

/// <summary>Reads what another server says of its model.</summary>
internal static class RemoteDescription
{
    public static ModelDescription Of(ModelMetadataResponse metadata, Uri address) => new(
        [.. metadata.Inputs.Select(tensor => Describe(tensor, metadata.Name, address))],
        [.. metadata.Outputs.Select(tensor => Describe(tensor, metadata.Name, address))]);

    private static TensorDescription Describe(ModelMetadataResponse.Types.TensorMetadata tensor, string model, Uri address) => new()
    {
        Name = tensor.Name,
        DataType = DataTypes.TryParse(tensor.Datatype, out var type)
            ? type
            : throw InferenceException.Invalid(
                $"server {address.Authority}: tensor '{tensor.Name}' of model '{model}' has the unknown datatype '{tensor.Datatype}'"),
        Dims = [.. tensor.Shape],
    };
}
