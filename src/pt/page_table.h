// The page-table interface (PTI): what the kernel asks of a page table, whatever its shape.
//
// One PageTable is one address space's table (user part). Contents are words in an architecture's
// EntryFormat, kept in simulated memory. Nothing here assumes a radix tree: a backend may be
// multi-level, guarded, hashed, clustered. After the Gelato@UNSW page-table interface (P. Davies et
// al., linux-mm 2005-2007) with P. Zijlstra's cursor form (2007).
//
// Cost model: one virtual call per run or per miss, never one per entry. Every table word touched
// is reported to the ReferenceSink, by the backend for what it does itself, and by Run::get/set's
// caller through Run::report().
//
// What a backend must write: walk(), ensure(), install(), clear(), split(), cursor(),
// copy_ranges(), move_range(), trim(), root(), stats(), table_bytes(), visit_tables(),
// capabilities(). The rest has a default that is correct, if not the fastest (find, peek) or the
// most telling (describe), or says NotSupported (promote, share, unshare, leave).
//
// Errors are values (Status). Handles may go stale when a backend restructures:
// install/modify/clear then say Moved and the caller looks up again. Not thread-safe.
#ifndef MMUSIM_PT_PAGE_TABLE_H_
#define MMUSIM_PT_PAGE_TABLE_H_

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "mem/sink.h"
#include "pt/entry.h"
#include "pt/gather.h"
#include "pt/run.h"
#include "pt/walk_path.h"

namespace mmusim::pt {

class Cursor;
class Factory;
class PageTable;

// How what a page table is made of is deleted: an assertion that fails in its destructor, which may
// be a plug-in's, is kept for who ends the run (base/error.h), and ends no program.
template <class Part>
struct TakesApart {
  constexpr TakesApart() noexcept = default;
  template <std::derived_from<Part> Kind>
  constexpr TakesApart(const std::default_delete<Kind>& /*of*/) noexcept {}
  void operator()(Part* part) const noexcept {
    take_apart([part] { delete part; });
  }
};

}  // namespace mmusim::pt

template <>
struct std::default_delete<mmusim::pt::Cursor> : mmusim::pt::TakesApart<mmusim::pt::Cursor> {
  using TakesApart::TakesApart;
};
template <>
struct std::default_delete<mmusim::pt::Factory> : mmusim::pt::TakesApart<mmusim::pt::Factory> {
  using TakesApart::TakesApart;
};
template <>
struct std::default_delete<mmusim::pt::PageTable> : mmusim::pt::TakesApart<mmusim::pt::PageTable> {
  using TakesApart::TakesApart;
};

namespace mmusim::pt {

enum class Status : uint8_t {
  Ok,
  NoMemory,    // table memory exhausted; the table is valid and its leaves unchanged
  Overlap,     // a larger leaf covers the address: split it first
  Occupied,    // smaller leaves or tables stand where a larger leaf is wanted
  BadSize,     // the backend has no leaves of that size
  BadAlign,    // address or frame is not aligned to the leaf's size
  Changed,     // the entry is not the expected one
  Moved,       // the handle is stale: look up again
  Stopped,     // the caller's own function asked to stop
  NotUniform,  // what should become one leaf differs in frames or attributes, or has holes
  Busy,        // the last user of a shared sub-tree that still holds leaves
  NotSupported,
};
const char* name_of(Status status);

// Where a leaf entry is (or would be). Opaque to all but the backend that made it, but for this:
// two tables that share a slot have it at equal places.
struct Handle {
  VirtAddr base;  // of the leaf
  PageShift size;
  uint64_t place = 0;       // backend's
  uint64_t generation = 0;  // backend's
};

struct Lookup {
  Entry entry = kNone;    // kNone: nothing there
  VirtAddr base;          // of the leaf, when entry != kNone
  PageShift size;         // likewise
  Handle handle;          // valid when there is a slot (entry != kNone, or has_slot)
  bool has_slot = false;  // there is a slot for a base page, or entry != kNone
  // When there is one and entry == kNone: how much the table serves that it is in. Said where that
  // may be more than a superpage; else one page.
  PageShift table_size = {};
  VirtRange empty;  // when entry == kNone: a range around the address that holds no entry; at least
                    // the page
  bool shared =
      false;  // met through a shared sub-tree: changing the entry changes it for all users
  // If so, which: the innermost one that holds the address, by what of this address space it
  // serves. sharers() says who has it, and where.
  VirtAddr tree_base;
  PageShift tree_size;
  Rights mask = Rights::all();  // rights of the leaf count only as far as these do
};

struct Slot {  // what ensure() gives
  Status status = Status::Ok;
  Handle handle;
  Entry entry = kNone;  // what is there now
};

enum class CursorMode : uint8_t {
  Read,   // hands out what there is; entries may be changed
  Build,  // makes slots for base pages wherever the range has none, and hands out all of the range
  Zap,    // as Read; the caller clears what it meets, so that a backend that dismantles emptied
          // tables at once may do so behind the cursor
};

// Goes through a range in address order. Every leaf is met exactly once. A leaf that begins before
// the range or ends behind it is handed out whole, with its true start: the caller decides whether
// to split it. Changing entries of the current run never invalidates the cursor; other changes to
// the table do until seek(). A run is its caller's until the cursor moves on or is destroyed: a
// backend that keeps counts of entries settles them then.
class Cursor {
 public:
  virtual ~Cursor() noexcept(false) = default;

  // Goes to the first run at or after the current position that has slots, skipping what the
  // backend knows to be empty in the largest steps it can. False: nothing is left in the range. A
  // run may consist of kNone only.
  virtual bool next(Run& run) = 0;
  // Why next() said false: Ok at the end of the range; NoMemory and NotSupported when building.
  [[nodiscard]] virtual Status status() const { return Status::Ok; }
  // Continue at `va` (within the range); also how to resume after the table was changed from
  // elsewhere.
  virtual void seek(VirtAddr va) = 0;
};

// Called by copy_ranges for each pair of runs with the same addresses and sizes, which reach into
// the range of that index. `to` is freshly made, all kNone (or, at a table that already existed,
// whatever was there). Returns false to stop.
using RunCopier = std::function<bool(size_t range, Run& from, Run& to)>;

struct RootToken {  // what the hardware or the miss handler is given at a context switch
  PhysAddr address;
  uint64_t extra = 0;
};

struct Stats {
  uint64_t table_bytes = 0;  // without the root, as Linux counts VmPTE
  uint64_t root_bytes = 0;
  uint64_t leaves = 0;             // entries that are not kNone
  std::vector<uint64_t> tables;    // by level, 0 = leaf level; meaning is the backend's
  uint64_t restructures = 0;       // times a table was replaced by one of another size or form
  uint64_t entries_rewritten = 0;  // entries copied by those
};

// One table (node, bucket array, block) of a page table: for counts by class and for pictures.
struct TableNode {
  PhysAddr address;
  uint64_t bytes = 0;
  unsigned level = 0;   // as in Stats::tables
  VirtAddr base;        // of the address space it serves
  unsigned covers = 0;  // log2 of the bytes of address space it serves; 64: all
  uint32_t slots = 0;
  bool indexed =
      true;  // each slot is for an equal part of that; false: for any, and a leaf takes one
  uint32_t leaves = 0;  // slots that hold (a replica of) a leaf
  uint32_t tables = 0;  // slots that lead to another table
  PhysAddr parent;      // the table it hangs in; its own address for the root
  uint32_t slot = 0;    // ... and where
  std::string link;     // what the entry that leads here says besides: a guard, rights
};
using TableVisitor = std::function<void(const TableNode&)>;

// Table memory for a split in time of need: of each size so many, sizes as TableAllocator has them.
struct TableBlocks {
  uint64_t bytes = 0;
  uint64_t count = 0;
  bool operator==(const TableBlocks&) const = default;
};
using SplitReserve = std::vector<TableBlocks>;

// What a backend can do beyond base pages.
struct Capabilities {
  std::vector<PageShift> leaf_sizes;  // ascending; the first is the base page
  PageShift void_grain;  // the largest void one find() can report, if all is empty; at most 2^63
  bool promotes = false;
  // How much share() takes, ascending; empty: nothing.
  std::vector<PageShift> share_sizes = {};
  [[nodiscard]] bool shares() const { return !share_sizes.empty(); }
};

// Another table's view of a shared sub-tree.
struct Sharer {
  MmId mm;
  VirtAddr base;
  bool operator==(const Sharer&) const = default;
};

// One level of a radix table, from the leaf level up.
struct RadixLevel {
  unsigned shift = 0;       // log2 of the bytes one entry covers
  unsigned index_bits = 0;  // entries per table = 2^index_bits
  bool leaf_allowed = false;
  // Of the highest level: so many of the index's upper bits are the uppermost of the address (on
  // IA-64 the region number). Addresses with a bit between those and the index's others have no
  // place in the table.
  unsigned region_bits = 0;
  // Of the highest level, with region_bits = 1: addresses are sign-extended, and only those that
  // are have a place.
  bool sign_extended = false;
  // log2 of the bytes of a table; 0: a page, or more where its entries need more.
  unsigned table_log2 = 0;
  bool operator==(const RadixLevel&) const = default;
};
using RadixGeometry = std::vector<RadixLevel>;  // [0] is the leaf level
// Of levels that all have so many index bits, from pages on; leaves on the `leaves` lowest.
RadixGeometry uniform_geometry(PageShift page, unsigned index_bits, unsigned levels,
                               unsigned leaves);

// The sizes above the page at which a radix table of that geometry may have leaves, ascending.
inline std::vector<PageShift> leaf_sizes_of(const RadixGeometry& geometry, PageShift page) {
  std::vector<PageShift> sizes;
  for (const RadixLevel& level : geometry)
    if (level.leaf_allowed && level.shift > page.log2()) sizes.emplace_back(level.shift);
  return sizes;
}

class PageTable {
 public:
  // Gives back all table memory, without a flush: the address space is dead, and its leaves should
  // be gone (stats().leaves == 0), unless the whole machine is being taken down.
  virtual ~PageTable() noexcept(false) = default;
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  // --- One address
  // What a miss handler or a walker does: the translation, and the words it reads on the way, in
  // order. Touches nothing by itself: who walks reports the steps as it takes them.
  [[nodiscard]] virtual Lookup walk(VirtAddr va, WalkPath& path) const = 0;
  // The same, reported to the sink.
  [[nodiscard]] virtual Lookup find(VirtAddr va, mem::Origin origin = mem::Origin::Kernel);
  // The same, touching nothing: for checks and reports.
  [[nodiscard]] virtual Lookup peek(VirtAddr va) const;
  // What the word a walk() for `va` read says, as it stands in memory now: mmusim explain. Touches
  // nothing. The default says nothing of it.
  [[nodiscard]] virtual WordText describe(const WalkStep& step, VirtAddr va) const;
  // Makes a slot for a leaf of this size at `va` (rounded down to the size). After Ok, install
  // cannot fail for memory. Overlap: handle and entry are the larger leaf's. NotSupported: no such
  // address.
  virtual Slot ensure(VirtAddr va, PageShift size) = 0;
  // The same, for a caller that may come to want slots of this size anywhere in `area`, which holds
  // `va`: a hint, for a backend that can make several at once. The default takes none.
  virtual Slot ensure_in(const VirtRange& area, VirtAddr va, PageShift size);
  // Replaces `expected` by `next`, all replicas. Ok, Changed, Moved, BadAlign.
  virtual Status install(const Handle& handle, Entry expected, Entry next) = 0;
  // Clears the slot; the old entry in `old`. Ok or Moved. The caller flushes. A backend may
  // dismantle what the slot was in: the handle may be stale afterwards.
  virtual Status clear(const Handle& handle, Entry& old) = 0;
  // Replaces the leaf at `handle` by leaves of `to` with the same translations; needs memory unless
  // it can be done in place.
  virtual Status split(const Handle& handle, PageShift to) = 0;
  // What split() of a leaf of size `from` into leaves of `to` may need: whoever allocates as much
  // from the tables' TableAllocator beforehand, and frees it there right before, has made sure that
  // split() does not fail for memory (as Linux deposits a table with each huge page). The default,
  // nothing, is for backends that split in place.
  [[nodiscard]] virtual SplitReserve split_reserve(PageShift /*from*/, PageShift /*to*/) const {
    return {};
  }
  // Replaces the smaller leaves of the aligned block of size `to` around `va` by one leaf: they
  // must fill it, be present, map consecutive frames, aligned to `to`, and agree in all but
  // accessed and dirty, which are or-ed. Ok, NotUniform, BadSize, NoMemory, NotSupported. Tables no
  // longer needed go into the gather, with the range to flush.
  virtual Status promote(VirtAddr va, PageShift to, Gather& gather);

  // --- Ranges
  [[nodiscard]] virtual std::unique_ptr<Cursor> cursor(VirtRange range,
                                                       CursorMode mode = CursorMode::Read) = 0;
  // fork: for every run of this table in any of `ranges` makes the run's twin in `to` (also where
  // all its slots are kNone, if the backend keeps such tables: Linux does) and calls `copy`. Ok;
  // NoMemory (a prefix is done); Occupied or Overlap where `to` holds leaves of other sizes;
  // Stopped. All ranges in one call, so that a backend can clone its tree in one pass.
  // REQUIRES: `to` is another table of the same factory; ranges ascend and do not overlap.
  virtual Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                             const RunCopier& copy) = 0;
  // mremap: moves every leaf of [from, from + bytes) to `to`; a larger leaf that sticks out of the
  // range or does not fit the target's alignment is split. NoMemory: a prefix was moved (its length
  // in `done`), and can be moved back without memory. REQUIRES: all page-aligned; the target holds
  // no leaves but those the move itself takes away first, as when an overlapping range moves down.
  // The caller flushes the old range, and with freed_tables: whole tables may have changed place.
  // REQUIRES besides: nothing of either range is shared with another table.
  virtual Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) = 0;
  // Frees tables that serve some address of `range`, only addresses in [floor, ceiling), and hold
  // no leaf. ceiling 0: no limit. After munmap floor is the end of the mapping before, ceiling the
  // start of the one behind. A shared sub-tree without leaves, all of which serves addresses of
  // the gap, is left. Never fails; idempotent.
  virtual void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) = 0;

  // --- Sharing of sub-trees, where capabilities().shares()
  // [at, at + size) of this table becomes the same as [from, from + size) of `source`: what one
  // installs or clears there, both see. This table's users have no rights there beyond `mask`. Ok;
  // NoMemory; BadSize (the backend cannot share so much, or so little); BadAlign (addresses not
  // aligned to `size`); Occupied (leaves, or a table, in the way here); Overlap (a leaf of the
  // source is larger, or as large where only tables are shared); NotSupported (by the backend, of
  // rights other than all, or within and around what is shared already). REQUIRES: same factory.
  virtual Status share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask);
  // Makes what translates `va` this table's own: copies the shared tables on the path to it, which
  // may leave what lies beside the path shared. `copy` is called (with range 0) for each pair of
  // runs, `to` being the copy, so that the caller can count the pages twice; it must copy every
  // entry it wants kept. Ok; NoMemory (valid, perhaps unshared in part); Stopped.
  virtual Status unshare(VirtAddr va, const RunCopier& copy);
  // This table leaves the shared sub-tree at `va`, of which then nothing is left here. Ok; Busy: it
  // is the last user and there are leaves, to be cleared first; NotSupported: nothing shared there
  // (which a backend may say of the last user, too).
  virtual Status leave(VirtAddr va, Gather& gather);
  // Who uses the shared sub-tree at `va`, this table included; empty where nothing is shared. A
  // flush after a change must reach all of them.
  [[nodiscard]] virtual std::vector<Sharer> sharers(VirtAddr va) const;

  // --- The whole
  [[nodiscard]] virtual RootToken root() const = 0;
  [[nodiscard]] virtual Stats stats() const = 0;           // walks the table to count leaves
  [[nodiscard]] virtual uint64_t table_bytes() const = 0;  // as in stats(), at once
  // Every table, parents before children; the root first. Touches nothing.
  virtual void visit_tables(const TableVisitor& visit) const = 0;
  [[nodiscard]] virtual Capabilities capabilities() const = 0;

 protected:
  explicit PageTable(mem::ReferenceSink& sink) : sink_(&sink) {}
  [[nodiscard]] mem::ReferenceSink& sink() const { return *sink_; }

 private:
  mem::ReferenceSink* sink_;
};

// What a backend is made with; one per simulated machine.
struct Environment {
  mem::ReferenceSink* sink = nullptr;
  class TableAllocator* allocator = nullptr;
  const EntryFormat* format = nullptr;
  RadixGeometry
      geometry;  // of the architecture: what a radix backend uses unless configured otherwise
  PageShift page{12};
  // Of leaves larger than a page, ascending, that this machine will ask tables for which are not
  // bound to the geometry: those of its levels, and superpages of other sizes. Such a table maps
  // all of them; which others it maps besides is its own affair (capabilities()).
  std::vector<PageShift> leaf_sizes = {};
  unsigned cpus = 1;  // whose miss handlers may walk a table while the kernel changes it
  std::string_view architecture = {};  // by name: whose miss handlers those are
};
// Tables replaced by one of another size or form, and the entries copied by that.
struct Restructuring {
  uint64_t tables = 0;
  uint64_t entries = 0;
};

// The factory, and what its Environment points to, must outlive the tables it made.
class Factory {
 public:
  virtual ~Factory() noexcept(false) = default;
  // An empty table for address space `mm`; null when there is no memory for its root.
  [[nodiscard]] virtual std::unique_ptr<PageTable> create(MmId mm) = 0;
  // The radix geometry if a hardware walker can read its tables directly; null otherwise.
  [[nodiscard]] virtual const RadixGeometry* hardware_walkable() const = 0;
  // Whether its tables can map this address at all.
  [[nodiscard]] virtual bool can_map(VirtAddr /*va*/) const { return true; }
  // Table memory that belongs to no one table, as a hash all address spaces share.
  [[nodiscard]] virtual uint64_t common_bytes() const { return 0; }
  // What changing their form has taken, of all its tables, also those that are gone; nothing: they
  // do not.
  [[nodiscard]] virtual std::optional<Restructuring> restructuring() const { return std::nullopt; }
};
// Registry: page_tables.cc, an explicit list.
struct Backend {
  const char* name;     // "mlpt"
  const char* summary;  // for `list page-tables`
  void (*declare)(config::Schema&);
  std::unique_ptr<Factory> (*make)(const config::Config&, const Environment&);
};
const std::vector<Backend>& backends();

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_PAGE_TABLE_H_
