using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Sluice.Models;

/// <summary>Parses the fields of messages by recursive descent.</summary>
/// <remarks>
/// Grammar: <c>message = { name [":"] value ["," | ";"] }</c>; a value is a scalar, <c>{…}</c>, <c>&lt;…&gt;</c> or, for
/// repeated fields, <c>[value, …]</c>. The colon may be left out before messages only.
/// </remarks>
internal ref struct TextMessageParser(TextTokenizer tokens)
{
    private TextTokenizer _tokens = tokens;
    private int _depth;

    /// <summary>Parses fields up to the end of the text.</summary>
    public void ParseRoot(IMessage message)
    {
        var target = new Target(message.Descriptor, message);
        while (_tokens.Kind != TextTokenKind.End)
            ParseField(target);
    }

    private void ParseField(Target target)
    {
        var start = _tokens.Start;
        var field = ReadFieldName(target.Descriptor);
        target.Claim(field, start, ref _tokens);

        var isMessage = field.FieldType is FieldType.Message or FieldType.Group;
        if (!_tokens.TrySkip(':') && !isMessage)
            throw _tokens.Error(_tokens.Start, $"expected ':' after '{field.Name}' but found {_tokens.Describe()}");

        if (_tokens.Is('['))
            ParseList(target, field);
        else
            target.Store(field, ParseValue(field));

        if (!_tokens.TrySkip(','))
            _tokens.TrySkip(';');
    }

    private FieldDescriptor ReadFieldName(MessageDescriptor descriptor)
    {
        if (_tokens.Is('['))
            throw _tokens.Error(_tokens.Start, "extensions and Any expansions ('[name]') are not supported");

        if (_tokens.Kind != TextTokenKind.Identifier)
            throw _tokens.Error(_tokens.Start, $"expected a field name but found {_tokens.Describe()}");

        var name = _tokens.Text;
        var field = descriptor.FindFieldByName(name)
            ?? throw _tokens.Error(_tokens.Start, $"{descriptor.Name} has no field '{name}'"
                + Suggestion.For(name, descriptor.Fields.InFieldNumberOrder().Select(f => f.Name)));
        _tokens.Next();
        return field;
    }

    private void ParseList(Target target, FieldDescriptor field)
    {
        if (!field.IsRepeated)
            throw _tokens.Error(_tokens.Start, $"'{field.Name}' takes one value, not a list");

        _tokens.Skip('[');
        if (_tokens.TrySkip(']'))
            return;

        do
            target.Store(field, ParseValue(field));
        while (_tokens.TrySkip(','));
        _tokens.Skip(']');
    }

    private object? ParseValue(FieldDescriptor field)
    {
        if (field.FieldType is not (FieldType.Message or FieldType.Group))
            return TextScalar.Read(ref _tokens, field);

        var close = _tokens.Is('<') ? '>' : '}';
        if (!_tokens.TrySkip('<'))
            _tokens.Skip('{');

        if (++_depth > TextFormat.MaxDepth)
            throw _tokens.Error(_tokens.Start, $"messages nest deeper than {TextFormat.MaxDepth}");

        // Map entries have no class of their own; their two fields are gathered in the target.
        var target = new Target(field.MessageType, field.IsMap ? null : Create(field.MessageType));
        while (!_tokens.TrySkip(close))
        {
            if (_tokens.Kind == TextTokenKind.End)
                throw _tokens.Error(
                    _tokens.Start, $"expected '{close}' to close '{field.Name}' before the end of the text");

            ParseField(target);
        }

        _depth--;
        return target.Message ?? (object)target;
    }

    private static IMessage Create(MessageDescriptor type) => type.Parser.ParseFrom(ByteString.Empty);

    /// <summary>What the fields of one message, or of one map entry, are written to.</summary>
    private sealed class Target(MessageDescriptor descriptor, IMessage? message)
    {
        private readonly HashSet<int> _claimed = [];
        private object? _key;
        private object? _value;

        public MessageDescriptor Descriptor => descriptor;

        public IMessage? Message => message;

        /// <summary>Refuses a second value for what holds one.</summary>
        public void Claim(FieldDescriptor field, int start, ref TextTokenizer tokens)
        {
            if (field.IsRepeated)
                return;

            if (!_claimed.Add(field.FieldNumber))
                throw tokens.Error(start, $"'{field.Name}' is specified more than once");

            var rival = field.RealContainingOneof?.Fields
                .FirstOrDefault(f => f != field && _claimed.Contains(f.FieldNumber));
            if (rival is not null)
                throw tokens.Error(start, $"'{field.Name}' and '{rival.Name}' exclude each other");
        }

        public void Store(FieldDescriptor field, object? value)
        {
            if (message is null)
            {
                _ = field.FieldNumber == 1 ? _key = value : _value = value;
            }
            else if (field.IsMap)
            {
                var (key, item) = ((Target)value!).Entry(field);
                ((IDictionary)field.Accessor.GetValue(message))[key] = item;
            }
            else if (field.IsRepeated)
                ((IList)field.Accessor.GetValue(message)).Add(value);
            else
                field.Accessor.SetValue(message, value);
        }

        private (object Key, object Value) Entry(FieldDescriptor map) => (
            _key ?? Default(map.MessageType.FindFieldByNumber(1)),
            _value ?? Default(map.MessageType.FindFieldByNumber(2)));

        private static object Default(FieldDescriptor field) => field.FieldType switch
        {
            FieldType.Message => Create(field.MessageType),
            FieldType.String => "",
            FieldType.Bytes => ByteString.Empty,
            FieldType.Bool => false,
            FieldType.Double => 0.0,
            FieldType.Float => 0f,
            FieldType.UInt64 or FieldType.Fixed64 => 0ul,
            FieldType.UInt32 or FieldType.Fixed32 => 0u,
            FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => 0L,
            _ => 0,
        };
    }
}
