using Google.Protobuf;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>One span as a collector got it.</summary>
internal sealed class ReceivedSpan
{
    public string TraceId { get; private set; } = "";

    public string Id { get; private set; } = "";

    public string ParentId { get; private set; } = "";

    public string Name { get; private set; } = "";

    public ulong Start { get; private set; }

    public ulong End { get; private set; }

    /// <summary>Its events, each with its attributes.</summary>
    public List<(string Name, Dictionary<string, string> Attributes)> Events { get; } = [];

    /// <summary>Reads an <c>ExportTraceServiceRequest</c>: resources, in them scopes, in them spans (OTLP, trace.proto).</summary>
    public static List<ReceivedSpan> Read(byte[] message) =>
    [
        .. Fields(message).Where(field => field.Number == 1).SelectMany(resource => Fields(resource.Bytes))
            .Where(field => field.Number == 2).SelectMany(scope => Fields(scope.Bytes))
            .Where(field => field.Number == 2).Select(span => Of(span.Bytes)),
    ];

    private static ReceivedSpan Of(byte[] bytes)
    {
        var span = new ReceivedSpan();
        foreach (var (number, content, value) in Fields(bytes))
        {
            switch (number)
            {
                case 1: span.TraceId = Convert.ToHexStringLower(content); break;
                case 2: span.Id = Convert.ToHexStringLower(content); break;
                case 4: span.ParentId = Convert.ToHexStringLower(content); break;
                case 5: span.Name = System.Text.Encoding.UTF8.GetString(content); break;
                case 7: span.Start = value; break;
                case 8: span.End = value; break;
                case 11: span.Events.Add(Event(content)); break;
                default: break;
            }
        }

        return span;
    }

    private static (string Name, Dictionary<string, string> Attributes) Event(byte[] bytes)
    {
        var name = "";
        var attributes = new Dictionary<string, string>();
        foreach (var (number, content, _) in Fields(bytes))
        {
            if (number == 2)
                name = System.Text.Encoding.UTF8.GetString(content);
            else if (number == 3)
                attributes[Text(Fields(content).First(field => field.Number == 1))] =
                    Text(Fields(Fields(content).First(field => field.Number == 2).Bytes).FirstOrDefault());
        }

        return (name, attributes);

        static string Text((int Number, byte[] Bytes, ulong Value) field) =>
            field.Bytes is { } text ? System.Text.Encoding.UTF8.GetString(text) : "";
    }

    private static List<(int Number, byte[] Bytes, ulong Value)> Fields(byte[] bytes)
    {
        var fields = new List<(int, byte[], ulong)>();
        var input = new CodedInputStream(bytes);
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            var number = WireFormat.GetTagFieldNumber(tag);
            fields.Add(WireFormat.GetTagWireType(tag) switch
            {
                WireFormat.WireType.LengthDelimited => (number, input.ReadBytes().ToByteArray(), 0),
                WireFormat.WireType.Fixed64 => (number, [], input.ReadFixed64()),
                WireFormat.WireType.Fixed32 => (number, [], input.ReadFixed32()),
                _ => (number, [], input.ReadUInt64()),
            });
        }

        return fields;
    }
}
