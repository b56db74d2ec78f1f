using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Rest.Tests.Fakes;

/// <summary>Answers with what it was sent: model <c>echo</c> has an optional input and an output per data type.</summary>
internal sealed class FakeEngine(TensorBufferPool pool) : IInferenceEngine
{
    private static readonly DataType[] Types = [.. Enum.GetValues<DataType>().Where(type => type != DataType.Invalid)];

    public static ModelSettings Settings { get; } = new()
    {
        Name = "echo",
        Version = "3",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        Inputs = [.. Types.Select(type => Tensor("IN_", type))],
        Outputs = [.. Types.Select(type => Tensor("OUT_", type))],
    };

    /// <summary>Runs before the answer; may look at the request, wait, or fail it.</summary>
    public Func<InferRequest, ValueTask> OnInfer { get; set; } = _ => ValueTask.CompletedTask;

    /// <summary>Requests that reached the engine.</summary>
    public int RequestCount { get; private set; }

    public async ValueTask InferAsync(InferRequest request)
    {
        RequestCount++;
        try
        {
            RequestBinder.Bind(request, Settings);
            await OnInfer(request);
        }
        catch (InferenceException error)
        {
            request.Fail(error.Code, error.Message);
        }

        if (request.IsOk)
            Echo(request);
    }

    private static TensorSettings Tensor(string prefix, DataType type) => new()
    {
        Name = prefix + type.WireName(),
        DataType = type,
        Dims = [-1],
        IsOptional = true,
    };

    private void Echo(InferRequest request)
    {
        var batch = new ExecutionBatch(Settings, pool, _ => { });
        batch.Begin(1);
        for (var i = 0; i < Types.Length; i++)
        {
            var position = request.InputByIndex[i];
            if (position < 0 || (request.RequestedOutputCount > 0 && !IsRequested(request, i)))
                continue;
            ref var input = ref request.Inputs[position];
            var buffer = pool.Rent((int)input.Data.Length);
            input.Data.CopyTo(buffer.GetSpan());
            batch.SetOutput(i, input.Shape, buffer);
            request.AddOutput() = new OutputTensor
            {
                Index = i,
                DataType = input.DataType,
                Shape = input.Shape,
                Buffer = buffer,
                Length = buffer.Length,
            };
        }

        request.HoldBatch(batch);
        batch.Release();
    }

    private static bool IsRequested(InferRequest request, int index) =>
        request.RequestedOutputs.ToArray().Any(output => output.Index == index);
}
