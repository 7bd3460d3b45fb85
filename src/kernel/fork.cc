#include "kernel/fork.h"

#include <array>
#include <vector>

#include "kernel/entries.h"
#include "kernel/hint_group.h"
#include "kernel/pool_page.h"
#include "kernel/spaces.h"

namespace mmusim::kernel {

namespace {

// Linux's vma_needs_copy: private pages, guard pages and uncounted frames cannot be faulted in
// again. Before 2.6.14 it was not asked.
bool needs_copy(const Core& core, const Vma& vma) {
  return core.settings.fork_copies_all || vma.anon != AnonVmaId(0) ||
         vma.has(kVmPfnMap | kVmMaybeGuard);
}

// Copies the leaves of areas; false when memory ran out.
class TableCopy {
 public:
  TableCopy(Core& core, AddressSpace& parent, AddressSpace& child)
      : core_(core), parent_(parent), child_(child) {}

  void add(const Vma& vma) {
    areas_.push_back({.vma = &vma, .cow = !vma.is_shared(), .kind = core_.files.kind_of(vma)});
    ranges_.push_back(vma.range());
  }

  bool run() {
    const pt::Status status = parent_.table->copy_ranges(
        *child_.table, ranges_, [this](size_t area, pt::Run& from, pt::Run& to) {
          if (areas_[area].vma->has(kVmHugeTlb)) {
            copy_pool(areas_[area], from, to);
            return true;
          }
          if (from.size != core_.page()) return copy_huge(areas_[area], from, to);
          copy_run(areas_[area], from, to);
          return true;
        });
    for (unsigned k = 0; k < kPageKinds; ++k) {
      if (copied_[k] != 0) core_.accounts.add_rss(child_, static_cast<PageKind>(k), copied_[k]);
    }
    return status == pt::Status::Ok;
  }

 private:
  struct Area {
    const Vma* vma;
    bool cow;
    PageKind kind;
  };

  void copy_run(const Area& area, pt::Run& from, pt::Run& to) {
    const pt::EntryFormat& format = *core_.platform.format;
    mem::FrameMemory& frames = *core_.platform.frames;
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    pt::Run::for_each_pair(from, to, [&](uint32_t i, pt::Entry& mine, pt::Entry& copy) {
      pt::Entry e = mine;
      if (e == pt::kNone) return;
      if (!format.is_present(e)) {
        if (!is_guard(format, e)) {
          core_.swap->add(core_.swap->slot_of(e));
          core_.accounts.add_swapped(child_, 1);
        }
        copy = e;
        ++child_writes;
        return;
      }
      if (!format.is_special(e)) {
        mem::Frame& frame = frames.frame(format.pfn_of(e));
        ++frame.references;
        ++frame.mappings;
        const bool anonymous = frame.use == mem::FrameUse::Anonymous;
        if (anonymous) frame.exclusive = false;
        ++copied_[static_cast<unsigned>(anonymous ? PageKind::Anonymous : area.kind)];
      }
      if (const auto group = group_from(core_, parent_, from.address(i), e))
        core_.huge_leaves.add_group(child_, group->size);
      if (area.cow && format.is_writable(e)) {
        e = mine = format.write_protected(e);
        ++parent_writes;
      }
      if (!area.cow) e &= ~format.dirty_mask;
      copy = e & ~format.accessed_mask;
      ++child_writes;
    });
    note_copies(from, parent_writes, to, child_writes);
  }

  // A leaf of a huge page as both have it from now on; whether the parent's changes.
  bool copy_leaf(const Area& area, pt::Run& from, pt::Run& to, uint32_t i) const {
    const pt::EntryFormat& format = *core_.platform.format;
    pt::Entry e = from.get(i);
    const bool changes = area.cow && format.is_writable(e);
    if (changes) {
      e = format.write_protected(e);
      from.set(i, e);
    }
    to.set(i, e & ~format.accessed_mask);
    return changes;
  }

  // Leaves of the hugetlb pool. A page's first frame stands for all, and the first leaf for the
  // others.
  void copy_pool(const Area& area, pt::Run& from, pt::Run& to) {
    const pt::EntryFormat& format = *core_.platform.format;
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    for (uint32_t i = 0; i < from.count; ++i) {
      const pt::Entry e = from.get(i);
      if (e == pt::kNone) continue;
      const PoolPage page = pool_page_at(core_, *area.vma, from.address(i));
      if (from.address(i) == page.base) {
        core_.huge_leaves.add_pool_pages(child_, page.size, 1);
        mem::Frame& frame = core_.platform.frames->frame(format.parse_leaf(e, from.size).pfn);
        ++frame.references;
        ++frame.mappings;
        frame.exclusive = false;
      }
      parent_writes += copy_leaf(area, from, to, i) ? 1 : 0;
      ++child_writes;
    }
    note_copies(from, parent_writes, to, child_writes);
  }

  // Whether the child needs the leaf: not one it can fault in again.
  [[nodiscard]] bool is_copied(pt::Entry leaf, PageShift size) const {
    return leaf != pt::kNone && !shows_huge_folio(core_, leaf, size);
  }

  // Huge leaves of other areas; false: no memory for what must be set aside with them.
  bool copy_huge(const Area& area, pt::Run& from, pt::Run& to) {
    const pt::EntryFormat& format = *core_.platform.format;
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    uint64_t leaves = 0;
    for (uint32_t i = 0; i < from.count; ++i)
      leaves += is_copied(from.get(i), from.size) ? 1 : 0;
    if (leaves != 0 && !core_.huge_leaves.add(child_, from.size, leaves)) return false;
    for (uint32_t i = 0; i < from.count; ++i) {
      const pt::Entry e = from.get(i);
      if (!is_copied(e, from.size)) continue;
      if (!format.is_special(e)) {
        const unsigned order = core_.sizes.order(from.size);
        core_.counts.map(format.parse_leaf(e, from.size).pfn, order);
        copied_[static_cast<unsigned>(PageKind::Anonymous)] += int64_t{1} << order;
      }
      parent_writes += copy_leaf(area, from, to, i) ? 1 : 0;
      ++child_writes;
    }
    note_copies(from, parent_writes, to, child_writes);
    return true;
  }

  void note_copies(const pt::Run& from, uint64_t parent_writes, const pt::Run& to,
                   uint64_t child_writes) {
    from.report(*core_.platform.sink, mem::Origin::Kernel, from.count, parent_writes);
    to.report(*core_.platform.sink, mem::Origin::Kernel, 0, child_writes);
    core_.counters.fork_protected += parent_writes;
    core_.counters.fork_entries += child_writes;
  }

  Core& core_;
  AddressSpace& parent_;
  AddressSpace& child_;
  std::vector<Area> areas_;
  std::vector<VirtRange> ranges_;
  std::array<int64_t, kPageKinds> copied_{};
};

}  // namespace

std::unique_ptr<AddressSpace> fork_space(Core& core, AddressSpace& parent) {
  auto child = make_space(core);
  if (child == nullptr) return nullptr;
  child->brk_start = parent.brk_start;
  child->brk = parent.brk;
  child->stack_top = parent.stack_top;
  child->thp_disabled = parent.thp_disabled;
  child->mmap_base = parent.mmap_base;
  core.files.set_program(*child, parent.program);
  TableCopy tables(core, parent, *child);
  for (const auto& [start, vma] : parent.vmas.areas()) {
    if (vma.has(kVmDontCopy)) continue;
    Vma copy = vma;
    copy.flags &= ~static_cast<uint32_t>(kVmLocks | kVmHugeOwner);
    if (vma.has(kVmWipeOnFork)) {
      copy.anon = AnonVmaId(0);
      copy.anon_root = AnonVmaId(0);
      copy.anon_chain = 0;
    } else if (vma.anon != AnonVmaId(0)) {
      copy.anon = core.new_anon_vma();
      copy.anon_chain = vma.anon_chain + 1;
    }
    core.files.area_added(copy, core.pages(copy.range().bytes()));
    child->vmas.insert(copy);
    if (!vma.has(kVmWipeOnFork) && needs_copy(core, vma)) tables.add(vma);
  }
  const bool ok = tables.run();
  // Before anybody may run: the parent's writable translations are stale now.
  core.flushes.space(parent);
  core.flushes.resident(*child);
  core.accounts.note_vmas(*child);
  core.accounts.note_tables();
  if (ok) return child;
  tear_down(core, *child);
  return nullptr;
}

}  // namespace mmusim::kernel
