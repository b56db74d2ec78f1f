namespace Sluice.Backends.Forest.Formats.Onnx;

/// <summary>What is wanted of an ONNX file: nodes, and the names and types of inputs and outputs.</summary>
internal sealed class OnnxGraph
{
    private const int MostNodes = 4096;

    public List<OnnxNode> Nodes { get; } = [];

    public List<OnnxValue> Inputs { get; } = [];

    public List<OnnxValue> Outputs { get; } = [];

    /// <summary>Names of values that the file itself holds.</summary>
    public HashSet<string> Initializers { get; } = new(StringComparer.Ordinal);

    /// <summary>Version of the operators of a domain; 0 when it is not named.</summary>
    public Dictionary<string, long> Versions { get; } = new(StringComparer.Ordinal);

    public string Producer { get; private set; } = "";

    /// <exception cref="ForestFormatException">It is no ONNX file.</exception>
    public static OnnxGraph Read(ReadOnlySpan<byte> file)
    {
        var graph = new OnnxGraph();
        var model = new ProtoReader(file, 0);
        var hasGraph = false;
        while (model.Next())
        {
            switch (model.Field)
            {
                case 2: graph.Producer = model.Text(); break;
                case 7:
                    graph.ReadGraph(model.Message());
                    hasGraph = true;
                    break;
                case 8: graph.ReadVersion(model.Message()); break;
                default: model.Skip(); break;
            }
        }

        return hasGraph ? graph : throw new ForestFormatException("the file has no graph, so it is no ONNX model");
    }

    private void ReadVersion(ProtoReader message)
    {
        var (domain, version) = ("", 0L);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: domain = message.Text(); break;
                case 2: version = message.Integer(); break;
                default: message.Skip(); break;
            }
        }

        Versions[domain] = version;
    }

    private void ReadGraph(ProtoReader message)
    {
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1 when Nodes.Count < MostNodes: Nodes.Add(OnnxNode.Read(message.Message())); break;
                case 1: throw message.Wrong($"the graph has more than {MostNodes} nodes; use the onnxruntime backend");
                case 5: Initializers.Add(NameOf(message.Message())); break;
                case 11: Inputs.Add(OnnxValue.Read(message.Message())); break;
                case 12: Outputs.Add(OnnxValue.Read(message.Message())); break;
                default: message.Skip(); break;
            }
        }
    }

    private static string NameOf(ProtoReader tensor)
    {
        var name = "";
        while (tensor.Next())
        {
            if (tensor.Field == 8)
                name = tensor.Text();
            else
                tensor.Skip();
        }

        return name;
    }
}

/// <summary>One operator of the graph.</summary>
internal sealed class OnnxNode
{
    private readonly Dictionary<string, OnnxAttribute> _attributes = new(StringComparer.Ordinal);

    public List<string> Inputs { get; } = [];

    public List<string> Outputs { get; } = [];

    public string Operator { get; private set; } = "";

    public string Domain { get; private set; } = "";

    public static OnnxNode Read(ProtoReader message)
    {
        var node = new OnnxNode();
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: node.Inputs.Add(message.Text()); break;
                case 2: node.Outputs.Add(message.Text()); break;
                case 4: node.Operator = message.Text(); break;
                case 5:
                    var attribute = OnnxAttribute.Read(message.Message());
                    node._attributes[attribute.Name] = attribute;
                    break;
                case 7: node.Domain = message.Text(); break;
                default: message.Skip(); break;
            }
        }

        return node;
    }

    public bool Has(string name) => _attributes.ContainsKey(name);

    public long Integer(string name, long fallback) => _attributes.TryGetValue(name, out var attribute) ? attribute.Integer : fallback;

    public string Text(string name, string fallback) => _attributes.TryGetValue(name, out var attribute) ? attribute.Text : fallback;

    /// <summary>Numbers of a list or of a tensor; none when there is no such attribute.</summary>
    public List<double> Numbers(string name) => _attributes.TryGetValue(name, out var attribute) ? attribute.Numbers : [];

    public List<long> Integers(string name) => _attributes.TryGetValue(name, out var attribute) ? attribute.Integers : [];

    public List<string> Texts(string name) => _attributes.TryGetValue(name, out var attribute) ? attribute.Texts : [];

    public ForestFormatException Wrong(string reason) => new($"{Operator}: {reason}");
}

/// <summary>A named value of a node.</summary>
internal sealed class OnnxAttribute
{
    public string Name { get; private set; } = "";

    public long Integer { get; private set; }

    public string Text { get; private set; } = "";

    public List<double> Numbers { get; } = [];

    public List<long> Integers { get; } = [];

    public List<string> Texts { get; } = [];

    public static OnnxAttribute Read(ProtoReader message)
    {
        var attribute = new OnnxAttribute();
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: attribute.Name = message.Text(); break;
                case 3: attribute.Integer = message.Integer(); break;
                case 4: attribute.Text = message.Text(); break;
                case 5: attribute.ReadTensor(message.Message()); break;
                case 7: message.AddSingles(attribute.Numbers); break;
                case 8: message.AddIntegers(attribute.Integers); break;
                case 9: attribute.Texts.Add(message.Text()); break;
                default: message.Skip(); break;
            }
        }

        return attribute;
    }

    private void ReadTensor(ProtoReader message)
    {
        var type = OnnxType.None;
        ReadOnlySpan<byte> raw = [];
        while (message.Next())
        {
            switch (message.Field)
            {
                case 2: type = (OnnxType)message.Integer(); break;
                case 4: message.AddSingles(Numbers); break;
                case 5 or 7: message.AddIntegers(Integers); break;
                case 9: raw = message.Bytes(); break;
                case 10: message.AddDoubles(Numbers); break;
                case 13: throw message.Wrong("a tensor lies in another file; use the onnxruntime backend");
                default: message.Skip(); break;
            }
        }

        if (!raw.IsEmpty)
            AddRaw(type, raw);
    }

    private void AddRaw(OnnxType type, ReadOnlySpan<byte> raw)
    {
        var size = type switch
        {
            OnnxType.UInt8 or OnnxType.Int8 => 1,
            OnnxType.Single or OnnxType.Int32 => 4,
            OnnxType.Double or OnnxType.Int64 => 8,
            _ => throw new ForestFormatException($"the tensor of attribute '{Name}' has type {(int)type}"),
        };
        if (raw.Length % size != 0)
            throw new ForestFormatException($"the tensor of attribute '{Name}' has {raw.Length} bytes, which are no numbers of {size}");
        for (var i = 0; i < raw.Length; i += size)
        {
            var bytes = raw.Slice(i, size);
            switch (type)
            {
                case OnnxType.Single: Numbers.Add(BitConverter.ToSingle(bytes)); break;
                case OnnxType.Double: Numbers.Add(BitConverter.ToDouble(bytes)); break;
                case OnnxType.Int32: Integers.Add(BitConverter.ToInt32(bytes)); break;
                case OnnxType.Int64: Integers.Add(BitConverter.ToInt64(bytes)); break;
                default: Integers.Add(bytes[0]); break;
            }
        }
    }
}

/// <summary>An input or output of the graph.</summary>
/// <param name="Name">Of the tensor.</param>
/// <param name="Type">Of its elements; <see cref="OnnxType.None"/> for a sequence.</param>
/// <param name="Dims">-1 where it is free; null = the file does not say.</param>
internal sealed record OnnxValue(string Name, OnnxType Type, List<long>? Dims)
{
    public static OnnxValue Read(ProtoReader message)
    {
        var value = new OnnxValue("", OnnxType.None, null);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: value = value with { Name = message.Text() }; break;
                case 2: value = value.WithType(message.Message()); break;
                default: message.Skip(); break;
            }
        }

        return value;
    }

    private OnnxValue WithType(ProtoReader message)
    {
        var value = this;
        while (message.Next())
        {
            if (message.Field == 1)
                value = value.WithTensor(message.Message());
            else
                message.Skip();
        }

        return value;
    }

    private OnnxValue WithTensor(ProtoReader message)
    {
        var value = this;
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: value = value with { Type = (OnnxType)message.Integer() }; break;
                case 2: value = value with { Dims = ReadDims(message.Message()) }; break;
                default: message.Skip(); break;
            }
        }

        return value;
    }

    private static List<long> ReadDims(ProtoReader message)
    {
        var dims = new List<long>();
        while (message.Next())
        {
            if (message.Field != 1)
            {
                message.Skip();
                continue;
            }

            var size = -1L;
            var dim = message.Message();
            while (dim.Next())
            {
                if (dim.Field == 1)
                    size = dim.Integer();
                else
                    dim.Skip();
            }

            dims.Add(size);
        }

        return dims;
    }
}

/// <summary>Element types of ONNX that occur here.</summary>
internal enum OnnxType
{
    None = 0,
    Single = 1,
    UInt8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Text = 8,
    Double = 11,
}
