using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Sluice.Tensors;

namespace Sluice.Testing;

/// <summary>One tensor of a golden case, its data in the protocol's raw form.</summary>
public sealed record GoldenTensor(string Name, DataType DataType, long[] Dims, byte[] Data, string File)
{
    public Shape Shape => Shape.Create(Dims);

    internal static GoldenTensor Read(string folder, JsonElement entry)
    {
        var file = entry.GetProperty("file").GetString()!;
        var name = entry.GetProperty("name").GetString()!;
        var path = Path.Combine(folder, file);
        if (file.EndsWith(".json", StringComparison.Ordinal)) return ReadStrings(name, path, file);
        var npy = NpyFile.Read(path);

        // numpy has no bfloat16: the bits are stored as another type and the real one is named.
        var type = npy.DataType;
        if (entry.TryGetProperty("datatype", out var named) && !DataTypes.TryParse(named.GetString(), out type))
        {
            throw new InvalidDataException($"{path}: unknown datatype {named}");
        }

        return new GoldenTensor(name, type, npy.Shape, npy.Data, file);
    }

    private static GoldenTensor ReadStrings(string name, string path, string file)
    {
        using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(path));
        var shape = document.RootElement.GetProperty("shape").EnumerateArray().Select(item => item.GetInt64());
        var data = new MemoryStream();
        Span<byte> prefix = stackalloc byte[4];
        foreach (var item in document.RootElement.GetProperty("data").EnumerateArray())
        {
            var bytes = Encoding.UTF8.GetBytes(item.GetString()!);
            BinaryPrimitives.WriteInt32LittleEndian(prefix, bytes.Length);
            data.Write(prefix);
            data.Write(bytes);
        }

        return new GoldenTensor(name, DataType.Bytes, [.. shape], data.ToArray(), file);
    }
}
