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
// Errors are values (Status). Handles may go stale when a backend restructures:
// install/modify/clear then say Moved and the caller looks up again. Not thread-safe.
#ifndef MMUSIM_PT_PAGE_TABLE_H_
#define MMUSIM_PT_PAGE_TABLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "mem/sink.h"
#include "pt/entry.h"
#include "pt/gather.h"

namespace mmusim::pt {

enum class Status : uint8_t {
  Ok,
  NoMemory,  // table memory exhausted; the table is valid and its leaves unchanged
  Overlap,   // a larger leaf covers the address: split it first
  Occupied,  // smaller leaves or tables stand where a larger leaf is wanted
  BadSize,   // the backend has no leaves of that size
  BadAlign,  // address or frame is not aligned to the leaf's size
  Changed,   // the entry is not the expected one
  Moved,     // the handle is stale: look up again
  Stopped,   // the caller's own function asked to stop
  NotSupported,
};
const char* name_of(Status status);

// Where a leaf entry is (or would be). Opaque to all but the backend that made it.
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
  VirtRange empty;  // when entry == kNone: a range around the address that holds no entry; at least
                    // the page
};

struct Slot {  // what ensure() gives
  Status status = Status::Ok;
  Handle handle;
  Entry entry = kNone;  // what is there now
};

// Adjacent slots of one leaf size, `count` of them, mapping [start, start + count * size.bytes()).
// Slots may hold kNone. Read and write entries with get/set: a leaf that is replicated over several
// slots stays replicated.
class Run {
 public:
  VirtAddr start;
  PageShift size;
  uint32_t count = 0;

  [[nodiscard]] Entry get(uint32_t i) const {
    return words_[static_cast<size_t>(i) * replicas_ * stride_];
  }
  void set(uint32_t i, Entry e) {
    uint64_t* word = words_ + static_cast<size_t>(i) * replicas_ * stride_;
    for (uint32_t r = 0; r < replicas_; ++r)
      word[static_cast<size_t>(r) * stride_] = e;
  }
  [[nodiscard]] VirtAddr address(uint32_t i) const {
    return start + (static_cast<uint64_t>(i) << size.log2());
  }
  // The same run from slot `first` on, `n` slots long.
  [[nodiscard]] Run part(uint32_t first, uint32_t n) const;
  // Reports `reads` and `writes` of this run's words to the sink (0 or count each, or in between
  // where fewer were touched).
  void report(mem::ReferenceSink& sink, mem::Origin origin, uint64_t reads, uint64_t writes) const;

  // For backends: where the words are.
  void place(uint64_t* words, uint32_t stride_words, uint32_t replicas, PhysAddr address,
             uint8_t level) {
    words_ = words;
    stride_ = stride_words;
    replicas_ = replicas;
    physical_ = address;
    level_ = level;
  }

 private:
  uint64_t* words_ = nullptr;
  uint32_t stride_ = 1;    // 8-byte words from slot to slot
  uint32_t replicas_ = 1;  // slots per leaf
  PhysAddr physical_;
  uint8_t level_ = 0;
};

// Goes through a range in address order. Every leaf is met exactly once. A leaf that begins before
// the range or ends behind it is handed out whole, with its true start: the caller decides whether
// to split it. Changing entries of the current run never invalidates the cursor; other changes to
// the table do until seek(). A run is its caller's until the cursor moves on or is destroyed: a
// backend that keeps counts of entries settles them then.
class Cursor {
 public:
  virtual ~Cursor() = default;

  // Goes to the first run at or after the current position that has slots, skipping what the
  // backend knows to be empty in the largest steps it can. False: nothing is left in the range. A
  // run may consist of kNone only.
  virtual bool next(Run& run) = 0;
  // Continue at `va` (within the range); also how to resume after the table was changed from
  // elsewhere.
  virtual void seek(VirtAddr va) = 0;
};

// Called by copy_range for each pair of runs with the same addresses and sizes. `to` is freshly
// made, all kNone (or, at a table that already existed, whatever was there). Returns false to stop.
using RunCopier = std::function<bool(Run& from, Run& to)>;

struct RootToken {  // what the hardware or the miss handler is given at a context switch
  PhysAddr address;
  uint64_t extra = 0;
};

struct Stats {
  uint64_t table_bytes = 0;  // without the root, as Linux counts VmPTE
  uint64_t root_bytes = 0;
  uint64_t leaves = 0;           // entries that are not kNone
  std::vector<uint64_t> tables;  // by level, 0 = leaf level; meaning is the backend's
};

// One level of a radix table, from the leaf level up.
struct RadixLevel {
  unsigned shift = 0;       // log2 of the bytes one entry covers
  unsigned index_bits = 0;  // entries per table = 2^index_bits
  bool leaf_allowed = false;
  bool operator==(const RadixLevel&) const = default;
};
using RadixGeometry = std::vector<RadixLevel>;  // [0] is the leaf level

class PageTable {
 public:
  // Gives back all table memory, without a flush: the address space is dead, and its leaves should
  // be gone (stats().leaves == 0), unless the whole machine is being taken down.
  virtual ~PageTable() = default;

  // --- One address
  [[nodiscard]] virtual Lookup find(VirtAddr va, mem::Origin origin = mem::Origin::Kernel) = 0;
  // The same, touching nothing: for checks and reports.
  [[nodiscard]] virtual Lookup peek(VirtAddr va) const = 0;
  // Makes a slot for a leaf of this size at `va` (rounded down to the size). After Ok, install
  // cannot fail for memory. Overlap: handle and entry are the larger leaf's. NotSupported: no such
  // address.
  virtual Slot ensure(VirtAddr va, PageShift size) = 0;
  // Replaces `expected` by `next`. Ok, Changed, Moved, BadAlign.
  virtual Status install(const Handle& handle, Entry expected, Entry next) = 0;
  // Clears the slot, leaving structure as it is; the old entry in `old`. Ok or Moved. The caller
  // flushes.
  virtual Status clear(const Handle& handle, Entry& old) = 0;
  // Replaces the leaf at `handle` by leaves of `to` with the same translations; needs memory unless
  // it can be done in place.
  virtual Status split(const Handle& handle, PageShift to) = 0;

  // --- Ranges
  [[nodiscard]] virtual std::unique_ptr<Cursor> cursor(VirtRange range) = 0;
  // fork: for every run of this table in `range` makes the run's twin in `to` (also where all its
  // slots are kNone, if the backend keeps such tables: Linux does) and calls `copy`. Ok; NoMemory
  // (a prefix is done); Occupied or Overlap where `to` holds leaves of other sizes; Stopped.
  // REQUIRES: `to` is another table of the same backend and format.
  virtual Status copy_range(PageTable& to, VirtRange range, const RunCopier& copy) = 0;
  // mremap: moves every leaf of [from, from + bytes) to `to`; a larger leaf that sticks out of the
  // range or does not fit the target's alignment is split. NoMemory: a prefix was moved (its length
  // in `done`), and can be moved back without memory. REQUIRES: all page-aligned; the target holds
  // no leaves but those the move itself takes away first, as when an overlapping range moves down.
  // The caller flushes the old range, and with freed_tables: whole tables may have changed place.
  virtual Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) = 0;
  // Frees tables that serve some address of `range`, only addresses in [floor, ceiling), and hold
  // no leaf. ceiling 0: no limit. After munmap floor is the end of the mapping before, ceiling the
  // start of the one behind. Never fails; idempotent.
  virtual void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) = 0;

  // --- The whole
  [[nodiscard]] virtual RootToken root() const = 0;
  [[nodiscard]] virtual Stats stats() const = 0;           // walks the table to count leaves
  [[nodiscard]] virtual uint64_t table_bytes() const = 0;  // as in stats(), at once
  [[nodiscard]] virtual std::vector<PageShift> leaf_sizes() const = 0;
};

// What a backend is made with; one per simulated machine.
struct Environment {
  mem::ReferenceSink* sink = nullptr;
  class TableAllocator* allocator = nullptr;
  const EntryFormat* format = nullptr;
  RadixGeometry
      geometry;  // of the architecture: what a radix backend uses unless configured otherwise
  PageShift page{12};
};
// The factory, and what its Environment points to, must outlive the tables it made.
class Factory {
 public:
  virtual ~Factory() = default;
  // An empty table for address space `mm`; null when there is no memory for its root.
  [[nodiscard]] virtual std::unique_ptr<PageTable> create(MmId mm) = 0;
  // The radix geometry if a hardware walker can read its tables directly; null otherwise.
  [[nodiscard]] virtual const RadixGeometry* hardware_walkable() const = 0;
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
