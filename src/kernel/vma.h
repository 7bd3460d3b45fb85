// The areas of an address space: what is mapped where, with which rights and from what.
//
// A Vma is [start, end) with one set of flags and one backing. A VmaSet holds those of one address
// space, in address order, never overlapping; two neighbours that could be one may stand apart only
// until somebody asks to merge there. Rules of splitting and merging follow Linux's mm/vma.c
// (can_vma_merge_before/after, is_mergeable_anon_vma). Pointers to a Vma stay valid until that Vma
// is erased or merged away. Not thread-safe.
#ifndef MMUSIM_KERNEL_VMA_H_
#define MMUSIM_KERNEL_VMA_H_

#include <cstdint>
#include <map>
#include <optional>

#include "base/types.h"
#include "kernel/gap_index.h"

namespace mmusim::kernel {

using FileId = Id<struct FileTag, uint32_t>;        // 0: no file
using AnonVmaId = Id<struct AnonVmaTag, uint64_t>;  // 0: no private page was ever made here

enum VmaFlag : uint32_t {
  kVmRead = 1u << 0,
  kVmWrite = 1u << 1,
  kVmExec = 1u << 2,
  kVmShared = 1u << 3,
  kVmGrowsDown = 1u << 4,
  kVmAccount = 1u << 5,  // charged against the commit limit: keeps areas apart as Linux does
  kVmNoReserve = 1u << 6,
  kVmLocked = 1u << 7,
  kVmDontCopy = 1u << 8,    // not inherited at fork
  kVmWipeOnFork = 1u << 9,  // inherited without contents
  kVmHugePage = 1u << 10,
  kVmNoHugePage = 1u << 11,
  kVmPfnMap = 1u << 12,  // frames the kernel does not count (vvar)
  kVmDontExpand = 1u << 13,
  kVmRandom = 1u << 14,
  kVmSequential = 1u << 15,
  kVmDontDump = 1u << 16,
  kVmMergeable = 1u << 17,
  kVmImplied = 1u << 18,      // no event made it: inferred from a reference
  kVmLockOnFault = 1u << 19,  // with kVmLocked: nothing is faulted in for it
  kVmHugeTlb = 1u << 20,      // pages of the hugetlb pool
  kVmHugeOwner = 1u << 21,    // private kVmHugeTlb: pool pages are reserved for it
  kVmMaybeGuard = 1u << 22,   // guard pages were installed; stays, and keeps no areas apart
};
inline constexpr uint32_t kVmRights = kVmRead | kVmWrite | kVmExec;
// What two areas that become one need not have both (Linux: VM_STICKY).
inline constexpr uint32_t kVmSticky = kVmMaybeGuard;
inline constexpr uint32_t kVmLocks = kVmLocked | kVmLockOnFault;

struct Vma {
  VirtAddr start;
  VirtAddr end;
  uint32_t flags = 0;
  FileId file;
  uint64_t pgoff = 0;  // of `start`: page in the file; private anonymous: start / page at creation
  AnonVmaId anon;
  AnonVmaId anon_root;      // the first anon_vma of the family: of the ancestor that made it
  uint32_t anon_chain = 0;  // anon_vmas its pages may belong to: 1 unless inherited by fork

  [[nodiscard]] VirtRange range() const { return {start, end}; }
  [[nodiscard]] bool has(uint32_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] bool is_anonymous() const { return file == FileId(0); }
  [[nodiscard]] bool is_shared() const { return has(kVmShared); }
  // Whether the area's rights allow an access; any right implies reading, as on x86.
  [[nodiscard]] bool allows(AccessKind kind) const {
    if (kind == AccessKind::Fetch) return has(kVmExec);
    return writes(kind) ? has(kVmWrite) : has(kVmRights);
  }
};

// Who keeps the areas of a set by something else than their place: what an area is filed under is
// said when it comes (its start, file and anon_vma), and still holds when it goes.
class AreaWatcher {
 public:
  virtual ~AreaWatcher() = default;
  virtual void area_added(const Vma& vma) = 0;
  virtual void area_removed(const Vma& vma) = 0;
};

class VmaSet {
 public:
  using Map = std::map<VirtAddr, Vma>;
  explicit VmaSet(PageShift page) : page_(page) {}
  // From now on `watcher`, which must outlive it, is told of every change. REQUIRES: the set is
  // empty.
  void report_to(AreaWatcher& watcher) { watcher_ = &watcher; }

  // The area that holds `va`; null if none does.
  [[nodiscard]] Vma* find(VirtAddr va);
  [[nodiscard]] const Vma* find(VirtAddr va) const;
  // The first area that ends behind `va`; null if none does.
  [[nodiscard]] Vma* find_from(VirtAddr va);
  [[nodiscard]] const Vma* find_from(VirtAddr va) const;
  // The last area that starts before `va`; null if none does.
  [[nodiscard]] Vma* find_before(VirtAddr va);
  [[nodiscard]] const Vma* find_before(VirtAddr va) const;
  // The area after `vma` in address order; null if it is the last.
  [[nodiscard]] Vma* next(const Vma& vma);

  [[nodiscard]] bool overlaps(VirtRange range);
  // Whether every page of `range` is in some area.
  [[nodiscard]] bool covers(VirtRange range);

  // Adds an area without merging. REQUIRES: not empty, overlaps none.
  Vma& insert(const Vma& vma);
  // Adds an area and merges it with its neighbours where allowed; the area it became part of.
  Vma& insert_and_merge(const Vma& vma);
  // REQUIRES: an area starts at `start`.
  void erase(VirtAddr start);

  // Divides the area that holds `at` there, unless one starts at `at` or none holds it. True if it
  // divided.
  bool split(VirtAddr at);
  // Joins the two areas that meet at `at`, if two do and the rules allow. True if it joined.
  bool merge(VirtAddr at);
  // Merges at both ends of `range` and at every border inside it.
  void merge_around(VirtRange range);

  // The anon_vma of the area's private pages; `root` 0, with chain 0: it has none any more.
  void set_anon(Vma& vma, AnonVmaId anon, AnonVmaId root, uint32_t chain);
  // Moves the start of the area (stack growth, or a cut from below). REQUIRES: no overlap; start
  // before end.
  Vma& set_start(Vma& vma, VirtAddr start);
  // Moves its end up. REQUIRES: no overlap.
  void set_end(Vma& vma, VirtAddr end);

  // Whether `b`, which follows `a` directly, may become one area with it.
  [[nodiscard]] bool can_merge(const Vma& a, const Vma& b) const;

  // Where `bytes` fit: the highest place below `high` and not below `low`, keeping `guard` bytes
  // free below the area above it if that grows down. Nothing where they do not fit.
  [[nodiscard]] std::optional<VirtAddr> highest_gap(uint64_t bytes, VirtAddr low, VirtAddr high,
                                                    uint64_t guard) const;
  // The lowest one, likewise.
  [[nodiscard]] std::optional<VirtAddr> lowest_gap(uint64_t bytes, VirtAddr low, VirtAddr high,
                                                   uint64_t guard) const;

  [[nodiscard]] size_t size() const { return areas_.size(); }
  [[nodiscard]] bool empty() const { return areas_.empty(); }
  [[nodiscard]] const Map& areas() const { return areas_; }
  [[nodiscard]] PageShift page() const { return page_; }
  // For each area in order; `visit` may change flags, not the set.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [start, vma] : areas_)
      visit(vma);
  }

 private:
  Map::iterator at_or_after(VirtAddr va);
  void note_added(const Vma& vma);
  void note_removed(const Vma& vma);
  // What gaps_, if there, says of the gap below the area, which may be none.
  void note_gap(Map::const_iterator area) const;
  // Of all gaps; made when it is first asked for.
  const GapIndex& gaps() const;

  PageShift page_;
  Map areas_;
  mutable std::optional<GapIndex> gaps_;  // nothing: nobody had to look far
  AreaWatcher* watcher_ = nullptr;        // null: nobody asks
  mutable Vma* last_ = nullptr;           // what find() gave last: faults come in clusters
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_VMA_H_
