namespace Sluice.Backends.Forest.Engine;

/// <summary>A way to find the leaves that rows fall into.</summary>
/// <remarks><b>Threads.</b> Any number; nothing is kept between calls.</remarks>
internal unsafe interface IForestKernel<T>
    where T : unmanaged
{
    /// <summary>For people: the layout and what it compares.</summary>
    string Name { get; }

    /// <summary>Memory of the layout, bytes.</summary>
    long ByteSize { get; }

    /// <summary>The leaf, numbered through all trees, of each place that <see cref="Run"/> names.</summary>
    int[] Leaves { get; }

    /// <summary>Finds the leaves of a few rows and gives them to the sink.</summary>
    /// <param name="columns">Values of a <see cref="ColumnSet"/>, row by row.</param>
    /// <param name="rowCount">1 to <see cref="ForestEngine.BlockRows"/>.</param>
    /// <param name="hasMissing">Any of the values may be NaN.</param>
    /// <param name="sink">For each row it gets the trees in their order.</param>
    void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink;
}

/// <summary>Takes leaves.</summary>
internal unsafe interface ILeafSink
{
    /// <summary>Takes those of a row in some trees.</summary>
    /// <param name="row">Row of the block.</param>
    /// <param name="tree">Number of the first tree.</param>
    /// <param name="places">An index in <see cref="IForestKernel{T}.Leaves"/> for each tree.</param>
    /// <param name="count">How many.</param>
    void Take(int row, int tree, int* places, int count);
}
