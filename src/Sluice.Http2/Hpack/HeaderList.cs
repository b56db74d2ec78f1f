namespace Sluice.Http2.Hpack;

/// <summary>The fields of one decoded header block, checked once (RFC 9113 §8.2 and §8.3); shared by equal requests.</summary>
/// <remarks><b>Threads.</b> Written while the block is decoded, read-only afterwards.</remarks>
internal sealed class HeaderList(int maxSize)
{
    private readonly List<HeaderField> _fields = [];
    private bool _hasRegularField;
    private bool _hasScheme;

    /// <summary>All fields, pseudo-header fields first.</summary>
    public IReadOnlyList<HeaderField> Fields => _fields;

    /// <summary>Size as SETTINGS_MAX_HEADER_LIST_SIZE counts it, bytes.</summary>
    public int Size { get; private set; }

    /// <summary>The list is larger than allowed; fields past the bound were dropped.</summary>
    public bool IsTooLarge => Size > maxSize;

    /// <summary>Why the list is malformed; null when it is not.</summary>
    public string? Fault { get; private set; }

    /// <summary>Value of <c>:method</c>; empty when absent.</summary>
    public string Method { get; private set; } = "";

    /// <summary>Value of <c>:path</c>; empty when absent.</summary>
    public string Path { get; private set; } = "";

    /// <summary>Value of <c>content-type</c>.</summary>
    public string? ContentType { get; private set; }

    /// <summary>Value of <c>grpc-timeout</c>.</summary>
    public string? GrpcTimeout { get; private set; }

    /// <summary>Value of <c>content-length</c>; -1 when absent.</summary>
    public long ContentLength { get; private set; } = -1;

    /// <summary>True when the block has a pseudo-header field, as trailers must not.</summary>
    public bool HasPseudoField { get; private set; }

    /// <summary>Adds the next field.</summary>
    public void Add(HeaderField field)
    {
        Size += field.Size;
        if (IsTooLarge)
            return;
        _fields.Add(field);
        if (field.Name.Length > 0 && field.Name[0] == ':')
            AddPseudo(field);
        else
            AddRegular(field);
    }

    /// <summary>Checks what only the whole block can tell.</summary>
    public void CompleteRequest()
    {
        if (Method.Length == 0 || !_hasScheme || Path.Length == 0)
            Fault ??= "a request needs :method, :scheme and :path";
    }

    /// <summary>Returns a field's value, several joined by a comma; null when absent.</summary>
    /// <param name="name">Lower case.</param>
    public string? Find(string name)
    {
        if (name == "content-type")
            return ContentType;
        if (name == "grpc-timeout")
            return GrpcTimeout;
        string? found = null;
        foreach (var field in _fields)
        {
            if (field.Name == name)
                found = found is null ? field.Value : found + "," + field.Value;
        }

        return found;
    }

    private void AddPseudo(HeaderField field)
    {
        HasPseudoField = true;
        if (_hasRegularField)
            Fault ??= $"{field.Name} stands behind a regular field";
        switch (field.Name)
        {
            case ":method" when Method.Length == 0:
                Method = field.Value;
                break;
            case ":path" when Path.Length == 0:
                Path = field.Value;
                break;
            case ":scheme" when !_hasScheme:
                _hasScheme = true;
                break;
            case ":authority":
                break;
            default:
                Fault ??= $"{field.Name} is unknown or stands twice";
                break;
        }
    }

    private void AddRegular(HeaderField field)
    {
        _hasRegularField = true;
        if (!IsName(field.Name))
            Fault ??= "a field name has a character that is not allowed";
        if (field.Value.AsSpan().IndexOfAny('\0', '\r', '\n') >= 0)
            Fault ??= $"the value of {field.Name} has a character that is not allowed";
        switch (field.Name)
        {
            case "content-type":
                ContentType ??= field.Value;
                break;
            case "grpc-timeout":
                GrpcTimeout ??= field.Value;
                break;
            case "content-length":
                if (!long.TryParse(field.Value, System.Globalization.NumberStyles.None, null, out var length) ||
                    (ContentLength >= 0 && ContentLength != length))
                    Fault ??= $"content-length '{field.Value}' is no length";
                ContentLength = length;
                break;
            case "te" when !field.Value.Equals("trailers", StringComparison.OrdinalIgnoreCase):
            case "connection" or "proxy-connection" or "keep-alive" or "transfer-encoding" or "upgrade":
                Fault ??= $"{field.Name} is not allowed in HTTP/2";
                break;
        }
    }

    private static bool IsName(string name)
    {
        foreach (var c in name)
        {
            if (c is <= ' ' or >= '\x7f' or ':' or (>= 'A' and <= 'Z'))
                return false;
        }

        return name.Length > 0;
    }
}
