using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Makes the inputs that tell a model of the requests in its batch (spec §3.1, <c>batch_input</c>).</summary>
internal static unsafe class BatchTensors
{
    /// <summary>Adds them to a batch whose other inputs are in place.</summary>
    public static void Add(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests)
    {
        foreach (var tensor in batch.Settings.BatchTensors)
        {
            if (requests[0].InputByIndex[tensor.Source] < 0)
                continue;
            var shape = ShapeOf(tensor, requests);
            shape.TryGetElementCount(out var count);
            ref var input = ref batch.Inputs[tensor.Target];
            input.IsPresent = true;
            input.DataType = tensor.DataType;
            input.Shape = shape;
            input.ByteLength = checked((int)count * sizeof(int));
            input.Data = batch.InputBuffer(tensor.Target, Math.Max(1, input.ByteLength));
            Fill(tensor, requests, new Span<byte>(input.Data, input.ByteLength));
        }
    }

    private static Shape ShapeOf(BatchTensor tensor, ReadOnlySpan<InferRequest> requests) => tensor.Kind switch
    {
        BatchInputKind.AccumulatedElementCountWithZero => Shape.Create([requests.Length + 1]),
        BatchInputKind.MaxElementCountAsShape => Shape.Create([LargestCount(tensor, requests)]),
        BatchInputKind.ItemShape => Shape.Create([RowsOf(requests), RankOf(tensor, requests)]),
        BatchInputKind.ItemShapeFlatten => Shape.Create([(long)RowsOf(requests) * RankOf(tensor, requests)]),
        _ => Shape.Create([requests.Length]),
    };

    private static void Fill(BatchTensor tensor, ReadOnlySpan<InferRequest> requests, Span<byte> data)
    {
        var at = 0;
        long sum = 0;
        switch (tensor.Kind)
        {
            case BatchInputKind.MaxElementCountAsShape:
                data.Clear();
                return;
            case BatchInputKind.ItemShape or BatchInputKind.ItemShapeFlatten:
                foreach (var request in requests)
                {
                    for (var row = 0; row < request.RowCount; row++)
                    {
                        foreach (var dimension in Source(tensor, request).Dimensions[1..])
                            Write(tensor, data, at++, dimension);
                    }
                }

                return;
            case BatchInputKind.AccumulatedElementCountWithZero:
                Write(tensor, data, at++, 0);
                break;
        }

        foreach (var request in requests)
        {
            var count = CountOf(Source(tensor, request));
            sum += count;
            Write(tensor, data, at++, tensor.Kind == BatchInputKind.ElementCount ? count : sum);
        }
    }

    private static void Write(BatchTensor tensor, Span<byte> data, int index, long value)
    {
        if (tensor.DataType == DataType.Fp32)
            MemoryMarshal.Cast<byte, float>(data)[index] = value;
        else
            MemoryMarshal.Cast<byte, int>(data)[index] = checked((int)value);
    }

    private static Shape Source(BatchTensor tensor, InferRequest request) =>
        request.Inputs[request.InputByIndex[tensor.Source]].Shape;

    private static long CountOf(Shape shape) => shape.TryGetElementCount(out var count) ? count : 0;

    private static long LargestCount(BatchTensor tensor, ReadOnlySpan<InferRequest> requests)
    {
        long largest = 0;
        foreach (var request in requests)
            largest = Math.Max(largest, CountOf(Source(tensor, request)));
        return largest;
    }

    private static int RowsOf(ReadOnlySpan<InferRequest> requests)
    {
        var rows = 0;
        foreach (var request in requests)
            rows += request.RowCount;
        return rows;
    }

    private static int RankOf(BatchTensor tensor, ReadOnlySpan<InferRequest> requests) => Source(tensor, requests[0]).Rank - 1;
}
