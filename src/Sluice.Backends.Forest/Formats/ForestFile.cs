using Sluice.Backends.Forest.Formats.LightGbm;
using Sluice.Backends.Forest.Formats.Xgboost;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats;

/// <summary>Reads a model file whatever library wrote it; the content tells, never the name.</summary>
internal static class ForestFile
{
    /// <summary>Largest file that is read at all.</summary>
    public const long MaxBytes = 1L << 30;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ForestFormatException">It cannot be read.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static TreeEnsemble Read(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > MaxBytes)
            throw new ForestFormatException($"the file has {length} bytes; the limit is {MaxBytes}");
        return Read(File.ReadAllBytes(path));
    }

    /// <summary>Reads a file's contents.</summary>
    /// <exception cref="ForestFormatException">They cannot be read.</exception>
    public static TreeEnsemble Read(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            throw new ForestFormatException("the file is empty");
        if (file.StartsWith("tree\n"u8) || file.StartsWith("tree\r\n"u8))
            return LightGbmText.Read(file);
        if (file[0] != '{')
            return ReadLegacy(file);

        // Behind the brace JSON goes on with a name or a blank, UBJSON with the type of a length.
        var next = file.Length > 1 ? file[1] : (byte)0;
        return XgboostDocument.Read(
            next is (byte)'"' or (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' or (byte)'}'
                ? new JsonDocumentReader(file).Read()
                : new UbjsonDocumentReader(file).Read());
    }

    private static TreeEnsemble ReadLegacy(ReadOnlySpan<byte> file)
    {
        try
        {
            return new XgboostLegacy(file).Read();
        }
        catch (ForestFormatException error)
        {
            throw new ForestFormatException($"neither JSON, UBJSON nor LightGBM text, and as XGBoost's binary format wrong: {error.Message}");
        }
    }
}
