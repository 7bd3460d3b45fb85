#include "kernel/fork.h"

#include <array>
#include <vector>

#include "kernel/entries.h"
#include "kernel/hint_group.h"
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
    areas_.push_back(
        {.cow = !vma.is_shared(), .pool = vma.has(kVmHugeTlb), .kind = core_.files.kind_of(vma)});
    ranges_.push_back(vma.range());
  }

  bool run() {
    const pt::Status status = parent_.table->copy_ranges(
        *child_.table, ranges_, [this](size_t area, pt::Run& from, pt::Run& to) {
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
    bool cow;
    bool pool;  // of the hugetlb pool
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
    from.report(*core_.platform.sink, mem::Origin::Kernel, from.count, parent_writes);
    to.report(*core_.platform.sink, mem::Origin::Kernel, 0, child_writes);
    core_.counters.fork_protected += parent_writes;
    core_.counters.fork_entries += child_writes;
  }

  // Whether the child needs the leaf: not one it can fault in again.
  [[nodiscard]] bool is_copied(const Area& area, pt::Entry leaf, PageShift size) const {
    return leaf != pt::kNone && (area.pool || !shows_huge_folio(core_, leaf, size));
  }

  // Counts the leaves of the run as the child's; false: no memory for what must be set aside with
  // them.
  bool add_leaves(const Area& area, const pt::Run& from) {
    uint64_t leaves = 0;
    for (uint32_t i = 0; i < from.count; ++i)
      leaves += is_copied(area, from.get(i), from.size) ? 1 : 0;
    if (area.pool) {
      core_.huge_leaves.add_pool_pages(child_, from.size, static_cast<int64_t>(leaves));
      return true;
    }
    return leaves == 0 || core_.huge_leaves.add(child_, from.size, leaves);
  }

  // Huge leaves; false: as add_leaves().
  bool copy_huge(const Area& area, pt::Run& from, pt::Run& to) {
    const pt::EntryFormat& format = *core_.platform.format;
    uint64_t parent_writes = 0;
    uint64_t child_writes = 0;
    if (!add_leaves(area, from)) return false;
    for (uint32_t i = 0; i < from.count; ++i) {
      pt::Entry e = from.get(i);
      if (!is_copied(area, e, from.size)) continue;
      if (!format.is_special(e)) share_frames(area, format.parse_leaf(e, from.size).pfn, from.size);
      if (area.cow && format.is_writable(e)) {
        e = format.write_protected(e);
        from.set(i, e);
        ++parent_writes;
      }
      to.set(i, e & ~format.accessed_mask);
      ++child_writes;
    }
    from.report(*core_.platform.sink, mem::Origin::Kernel, from.count, parent_writes);
    to.report(*core_.platform.sink, mem::Origin::Kernel, 0, child_writes);
    core_.counters.fork_protected += parent_writes;
    core_.counters.fork_entries += child_writes;
    return true;
  }

  void share_frames(const Area& area, Pfn first, PageShift size) {
    if (area.pool) {  // the first stands for all
      mem::Frame& frame = core_.platform.frames->frame(first);
      ++frame.references;
      ++frame.mappings;
      frame.exclusive = false;
      return;
    }
    const unsigned order = core_.sizes.order(size);
    core_.counts.map(first, order);
    copied_[static_cast<unsigned>(PageKind::Anonymous)] += int64_t{1} << order;
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
