using System.Text.RegularExpressions;

namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>Compares a text with what the protocol says.</summary>
internal static class Expected
{
    /// <summary><c>*</c> stands for any text; everything else is compared letter by letter.</summary>
    public static void Text(string pattern, string text) =>
        Assert.True(Regex.IsMatch(text, $"^{Regex.Escape(pattern).Replace(@"\*", ".*")}$", RegexOptions.Singleline), $"'{text}' is not '{pattern}'");
}
