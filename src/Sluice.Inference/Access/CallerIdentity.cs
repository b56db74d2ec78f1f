using System.Collections.Immutable;
using System.IO.Enumeration;
using System.Text;

namespace Sluice.Inference;

/// <summary>A caller whose credentials were right, with what it may do; immutable.</summary>
public sealed class CallerIdentity
{
    private const string InferPrefix = "infer:";

    private readonly ImmutableArray<string> _models;

    private CallerIdentity(string name, AccessScope scopes, ImmutableArray<string> models)
    {
        Name = name;
        Scopes = scopes;
        _models = models;
    }

    /// <summary>For logs.</summary>
    public string Name { get; }

    /// <summary>What it may do; <see cref="AccessScope.Infer"/> may be for some models only.</summary>
    public AccessScope Scopes { get; }

    /// <summary>True when it may run some models only.</summary>
    public bool IsConfined => !_models.IsEmpty;

    /// <summary>Reads scopes: <c>infer</c>, <c>infer:PATTERN</c> (with <c>*</c> and <c>?</c>), <c>metadata</c>,
    /// <c>control</c>, <c>health</c>.</summary>
    /// <param name="name">The caller.</param>
    /// <param name="scopes">Its scopes.</param>
    /// <param name="unknown">A scope that is none of these; the result is then null when <paramref name="isStrict"/>.</param>
    /// <param name="isStrict">Refuse unknown scopes instead of passing over them.</param>
    public static CallerIdentity? Parse(string name, IEnumerable<string> scopes, bool isStrict, out string unknown)
    {
        unknown = "";
        var granted = AccessScope.None;
        var isAllModels = false;
        var models = ImmutableArray.CreateBuilder<string>();
        foreach (var scope in scopes)
        {
            if (scope.StartsWith(InferPrefix, StringComparison.Ordinal) && scope.Length > InferPrefix.Length)
            {
                models.Add(scope[InferPrefix.Length..]);
                granted |= AccessScope.Infer;
                continue;
            }

            var single = Single(scope);
            if (single == AccessScope.None && isStrict)
            {
                unknown = scope;
                return null;
            }

            granted |= single;
            isAllModels |= single == AccessScope.Infer;
        }

        return new CallerIdentity(name, granted, isAllModels ? [] : models.ToImmutable());
    }

    /// <summary>Tells whether it may run a model.</summary>
    /// <param name="model">UTF-8.</param>
    public bool MayInfer(ReadOnlySpan<byte> model)
    {
        if ((Scopes & AccessScope.Infer) == 0)
            return false;
        if (_models.IsEmpty)
            return true;
        var name = Encoding.UTF8.GetString(model);
        foreach (var pattern in _models)
        {
            if (FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false))
                return true;
        }

        return false;
    }

    /// <summary>Reads one scope without a model; <see cref="AccessScope.None"/> when it is none.</summary>
    public static AccessScope Single(string scope) => scope switch
    {
        "health" => AccessScope.Health,
        "metadata" => AccessScope.Metadata,
        "infer" => AccessScope.Infer,
        "control" => AccessScope.Control,
        _ => AccessScope.None,
    };
}
