using System.Text;

namespace Sluice.Models;

/// <summary>Holds the current snapshot of one model.</summary>
/// <remarks><b>Threads.</b> Readers take <see cref="Snapshot"/> without a lock; writers are put in order.</remarks>
internal sealed class ModelSlot
{
    private readonly Lock _writers = new();
    private volatile ModelSnapshot _snapshot;

    public ModelSlot(string name)
    {
        NameUtf8 = Encoding.UTF8.GetBytes(name);
        _snapshot = new ModelSnapshot(name, [], "");
    }

    public byte[] NameUtf8 { get; }

    public ModelSnapshot Snapshot => _snapshot;

    /// <summary>Orders the loads and unloads of this model.</summary>
    public SemaphoreSlim Gate { get; } = new(1, 1);

    /// <summary>Replaces the snapshot by one made from it.</summary>
    public void Update(Func<ModelSnapshot, ModelSnapshot> change)
    {
        lock (_writers)
            _snapshot = change(_snapshot);
    }
}
