using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Tests;

/// <summary>Settings and bound requests of small models.</summary>
internal static class TestRequests
{
    public static TensorSettings Tensor(string name, DataType type = DataType.Int32, params long[] dims) =>
        new() { Name = name, DataType = type, Dims = dims };

    /// <summary>A model IN → OUT of INT32 [2], batching.</summary>
    public static ModelSettings Settings(DynamicBatchingSettings? batching = null, int maxBatchSize = 8) => new()
    {
        Name = "fake",
        Version = "1",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        MaxBatchSize = maxBatchSize,
        DynamicBatching = batching,
        Inputs = [Tensor("IN", DataType.Int32, 2)],
        Outputs = [Tensor("OUT", DataType.Int32, 2)],
        InstanceGroups = [new InstanceGroupSettings { Name = "fake_0" }],
    };

    /// <summary>A request of INT32 rows, each row two times its value.</summary>
    public static InferRequest Rows(ModelSettings settings, params int[] rows)
    {
        var request = new InferRequest();
        Fill(request, settings, rows);
        return request;
    }

    public static void Fill(InferRequest request, ModelSettings settings, params int[] rows)
    {
        Add(request, "IN", DataType.Int32, [rows.Length, 2], new(Bytes([.. rows.SelectMany(row => new[] { row, row })])));
        RequestBinder.Bind(request, settings);
    }

    /// <summary>Fills in IN as INT32 with data that lies somewhere else.</summary>
    public static void Fill(InferRequest request, ModelSettings settings, ReadOnlySequence<byte> data, long[] shape)
    {
        Add(request, "IN", DataType.Int32, shape, data);
        RequestBinder.Bind(request, settings);
    }

    public static InferRequest Of(ModelSettings settings, params (string Name, DataType Type, long[] Shape, byte[] Data)[] inputs)
    {
        var request = new InferRequest();
        AddAndBind(request, settings, inputs);
        return request;
    }

    public static void AddAndBind(
        InferRequest request, ModelSettings settings,
        params (string Name, DataType Type, long[] Shape, byte[] Data)[] inputs)
    {
        foreach (var (name, type, shape, data) in inputs)
            Add(request, name, type, shape, new ReadOnlySequence<byte>(data));
        RequestBinder.Bind(request, settings);
    }

    public static byte[] Bytes(params int[] values) => MemoryMarshal.AsBytes<int>(values).ToArray();

    public static byte[] Strings(params string[] values)
    {
        var stream = new List<byte>();
        var prefix = new byte[4];
        foreach (var value in values)
        {
            var utf8 = System.Text.Encoding.UTF8.GetBytes(value);
            BinaryPrimitives.WriteInt32LittleEndian(prefix, utf8.Length);
            stream.AddRange(prefix);
            stream.AddRange(utf8);
        }

        return [.. stream];
    }

    /// <summary>The first value of each row of the first output.</summary>
    public static int[] RowsOf(InferRequest request) =>
        [.. MemoryMarshal.Cast<byte, int>(request.Outputs[0].Data).ToArray().Where((_, i) => i % 2 == 0)];

    private static void Add(InferRequest request, string name, DataType type, long[] shape, ReadOnlySequence<byte> data)
    {
        ref var input = ref request.AddInput();
        input.Name = request.AddText(System.Text.Encoding.UTF8.GetBytes(name));
        input.DataType = type;
        input.Shape = Shape.Create(shape);
        input.Data = data;
        input.HasData = true;
    }
}
