using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>Makes inference requests, right ones and wrong ones.</summary>
internal static class Requests
{
    /// <summary>Both inputs of model <c>simple</c>, all right.</summary>
    public static (InputMessage, byte[])[] Good => [Ints("INPUT0", 16, 1, 16), Ints("INPUT1", 16, 1, 16)];

    /// <summary>A request with raw contents.</summary>
    public static ModelInferRequest Infer(string model, params (InputMessage Tensor, byte[] Raw)[] inputs)
    {
        var request = new ModelInferRequest { ModelName = model };
        foreach (var (tensor, raw) in inputs)
        {
            request.Inputs.Add(tensor);
            request.RawInputContents.Add(ByteString.CopyFrom(raw));
        }

        return request;
    }

    /// <summary>A request without raw contents.</summary>
    public static ModelInferRequest Typed(string model, params InputMessage[] inputs) => new() { ModelName = model, Inputs = { inputs } };

    public static (InputMessage Tensor, byte[] Raw) Ints(string name, int count, params long[] shape) =>
        (Tensor(name, "INT32", shape), new byte[4 * count]);

    public static (InputMessage Tensor, byte[] Raw) Floats(string name, float[] values, params long[] shape) =>
        (Tensor(name, "FP32", shape), Bytes<float>(values));

    public static (InputMessage Tensor, byte[] Raw) Texts(string name, byte[] raw, params long[] shape) => (Tensor(name, "BYTES", shape), raw);

    public static InputMessage Tensor(string name, string type, params long[] shape) => new() { Name = name, Datatype = type, Shape = { shape } };

    public static InputMessage With(this InputMessage input, InferTensorContents contents)
    {
        input.Contents = contents;
        return input;
    }

    public static ModelInferRequest With(this ModelInferRequest request, string key, InferParameter value)
    {
        request.Parameters[key] = value;
        return request;
    }

    public static ModelInferRequest Change(this ModelInferRequest request, Action<ModelInferRequest> change)
    {
        change(request);
        return request;
    }

    public static ModelInferRequest Asking(this ModelInferRequest request, params string[] outputs) =>
        request.Asking([.. outputs.Select(name => new OutputMessage { Name = name })]);

    public static ModelInferRequest Asking(this ModelInferRequest request, params OutputMessage[] outputs)
    {
        request.Outputs.AddRange(outputs);
        return request;
    }

    /// <summary>Places a tensor in a region of shared memory.</summary>
    public static void Place(IDictionary<string, InferParameter> parameters, string region, long byteSize)
    {
        parameters["shared_memory_region"] = new InferParameter { StringParam = region };
        parameters["shared_memory_byte_size"] = new InferParameter { Int64Param = byteSize };
    }

    /// <summary>Elements of BYTES as they travel: each with its length before it.</summary>
    public static byte[] Elements(params string[] texts) =>
        [.. texts.SelectMany(text => BitConverter.GetBytes(Encoding.UTF8.GetByteCount(text)).Concat(Encoding.UTF8.GetBytes(text)))];

    public static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();
}
