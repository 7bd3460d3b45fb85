// The parts of the kernel model up to Core, on the hardware of hardware.h, with one address space:
// no processes, faults or system calls. Tests put areas and pages into it as they like.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_PARTS_H_
#define MMUSIM_TESTS_UNIT_KERNEL_PARTS_H_

#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "kernel/core.h"
#include "kernel/entries.h"
#include "kernel/hardware.h"
#include "kernel/spaces.h"

namespace mmusim::kernel::testing {

inline const std::string kLittle = "mem.bytes = 16M\n";
inline const std::string kSwap = "kernel.swap_pages = 16\n";

class Parts : public Hardware {
 public:
  explicit Parts(const std::string& text = "") : Hardware(text), core(config(), platform) {
    mm = make_space(core);
    on_free = [this](Pfn, unsigned order) {
      flushes_before_free = tlb.range_flushes + tlb.page_flushes + tlb.mm_flushes;
      freed += uint64_t{1} << order;
    };
  }
  ~Parts() {
    tear_down(core, *mm);
    core.drop_everything();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  static constexpr uint64_t kStart = 0x40000000;
  static VirtAddr at(uint64_t page) { return VirtAddr(kStart + page * kPage); }
  static VirtRange span(uint64_t first, uint64_t end) { return {at(first), at(end)}; }

  Vma& add_area(uint64_t first, uint64_t end, uint32_t flags, FileId file = FileId(0),
                uint64_t pgoff = 0) {
    Vma vma;
    vma.start = at(first);
    vma.end = at(end);
    vma.flags = flags;
    vma.file = file;
    vma.pgoff = file == FileId(0) ? core.pages(vma.start.value()) : pgoff;
    core.files.area_added(vma, end - first);
    return mm->vmas.insert(vma);
  }
  void put(uint64_t page, pt::Entry e) {
    const pt::Slot slot = mm->table->ensure(at(page), k4K);
    ASSERT_EQ(mm->table->install(slot.handle, slot.entry, e), pt::Status::Ok);
  }
  // The area's page, which the TLB has too.
  void show(const Vma& vma, uint64_t page, Pfn pfn, PageKind kind) {
    put(page, format.make_leaf({.pfn = pfn,
                                .size = k4K,
                                .rights = leaf_rights(core, vma, true, true),
                                .accessed = true}));
    if (kind == PageKind::Anonymous)
      core.mapped_anonymous(*mm, vma, at(page), pfn);
    else
      core.mapped(*mm, pfn, kind);
    tlb.held[{CpuId(0), mm->id, at(page)}] = {pfn, Rights(Rights::kRead)};
  }
  Pfn show_anonymous(const Vma& vma, uint64_t page) {
    const Pfn pfn = *core.page_frames.new_anonymous(*mm);
    show(vma, page, pfn, PageKind::Anonymous);
    return pfn;
  }
  Pfn show_file(const Vma& vma, uint64_t page) {
    bool read = false;
    const uint64_t index = vma.pgoff + core.pages(at(page) - vma.start);
    const Pfn pfn = *core.files.page(vma.file, index, read);
    ++frames->frame(pfn).references;
    show(vma, page, pfn, PageKind::File);
    return pfn;
  }
  pt::Entry entry(uint64_t page) { return mm->table->peek(at(page)).entry; }

  Core core;
  std::unique_ptr<AddressSpace> mm;
  uint64_t freed = 0;
  uint64_t flushes_before_free = 0;
};

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_PARTS_H_
