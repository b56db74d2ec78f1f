using Sluice.Control.Records;

namespace Sluice.Control.Registry;

/// <summary>Selects by tags, in the language of the original's registry.</summary>
/// <remarks>
/// <para>Tags are joined by OR; after <c>__$and</c> (also <c>__$all</c>) those that follow are joined by AND, after <c>__$or</c>
/// (also <c>__$any</c>) by OR, until the next of these words. Such groups are joined by the word that comes first, by OR without one.
/// <c>__$not</c> negates the one tag after it. <c>-tag</c> excludes, whatever else holds; so does <c>__$not</c> before the first of the
/// words.</para>
/// <para>Example: <c>__$all a b __$or c __$not d __$or e f</c> is a and b and (c or not d) and (e or f).</para>
/// </remarks>
public sealed class TagFilter
{
    private readonly List<Group> _groups = [];
    private readonly List<string> _excluded = [];
    private readonly bool _joinsByAnd;

    private TagFilter(IReadOnlyList<string> tags)
    {
        _joinsByAnd = tags.Count > 0 && IsAnd(tags[0]);
        Group? current = null;
        var isNegated = false;
        foreach (var tag in tags)
        {
            if (IsAnd(tag) || IsOr(tag))
            {
                current = new Group(IsAnd(tag), []);
                _groups.Add(current);
                isNegated = false;
            }
            else if (tag == "__$not")
            {
                isNegated = true;
            }
            else
            {
                var excludes = tag.Length > 1 && tag[0] == '-';
                if (excludes || (isNegated && (current is null || !current.IsExplicit)))
                {
                    _excluded.Add(excludes ? tag[1..] : tag);
                }
                else
                {
                    if (current is null)
                        _groups.Add(current = new Group(false, []) { IsExplicit = false });
                    current.Terms.Add((tag, isNegated));
                }

                isNegated = false;
            }
        }

        _groups.RemoveAll(group => group.Terms.Count == 0);
    }

    /// <summary>Reads the words and tags; any list means something.</summary>
    public static TagFilter Parse(IReadOnlyList<string> tags) => new(tags);

    /// <summary>Tells whether a model with these tags is selected.</summary>
    public bool Accepts(ValueList<string> tags)
    {
        if (_excluded.Exists(tags.Contains))
            return false;
        if (_groups.Count == 0)
            return true;
        return _joinsByAnd ? _groups.TrueForAll(group => group.Accepts(tags)) : _groups.Exists(group => group.Accepts(tags));
    }

    private static bool IsAnd(string word) => word is "__$and" or "__$all";

    private static bool IsOr(string word) => word is "__$or" or "__$any";

    private sealed record Group(bool JoinsByAnd, List<(string Tag, bool IsNegated)> Terms)
    {
        public bool IsExplicit { get; init; } = true;

        public bool Accepts(ValueList<string> tags) => JoinsByAnd
            ? Terms.TrueForAll(term => tags.Contains(term.Tag) != term.IsNegated)
            : Terms.Exists(term => tags.Contains(term.Tag) != term.IsNegated);
    }
}
