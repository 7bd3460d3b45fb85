#include "kernel/exec.h"

#include <algorithm>

#include "base/linux_abi.h"
#include "kernel/fault.h"
#include "kernel/mapping.h"
#include "kernel/special.h"

namespace mmusim::kernel {

namespace {

// The size Linux gives a stack before the program runs, beyond what its arguments need.
constexpr uint64_t kStackExpansion = uint64_t{128} << 10;

void ignore(Core& core, Ignored why) {
  ++core.counters.ignored[why];
}

void add_image_area(Core& core, AddressSpace& mm, const trace::ImageArea& area) {
  if (area.name == "[vsyscall]") return;  // a page of the kernel's, no area of the process
  const auto range = area.range.begin < area.range.end
                         ? core.user_range(area.range.begin, area.range.bytes())
                         : std::nullopt;
  if (!range || (area.file_offset & core.page().offset_mask()) != 0 || mm.vmas.overlaps(*range)) {
    ignore(core, Ignored::BadRange);
    return;
  }
  Mapping mapping{*range, vm_flags(area.prot, area.flags), FileId(0), core.pages(area.file_offset)};
  if (is_special(area.name)) {
    make_special(core, area.name, mapping);
  } else if (area.name.starts_with("[stack")) {
    mapping.flags |= kVmGrowsDown | kVmAccount;
  } else if (!area.name.empty() && area.name.front() != '[') {
    mapping.file = core.cache.named(area.name, FileKind::Regular);
  }
  if (map_area(core, mm, mapping) != 0) {
    ignore(core, Ignored::TooManyAreas);
    return;
  }
  if (area.name == "[heap]") {
    mm.brk_start = range->begin;
    mm.brk = range->end;
  }
  if ((mapping.flags & kVmGrowsDown) != 0) mm.stack_top = range->end;
}

void add_stack(Core& core, AddressSpace& mm, VirtAddr top) {
  const uint64_t bytes = kStackExpansion + core.page().bytes();
  if (top.value() <= bytes || top > core.platform.layout.top) {
    ignore(core, Ignored::BadRange);
    return;
  }
  const VirtAddr end = align_up(top, core.page());
  const VirtRange range{align_down(end - bytes, core.page()), end};
  if (mm.vmas.overlaps(range)) {
    ignore(core, Ignored::BadRange);
    return;
  }
  const uint32_t flags = kVmRead | kVmWrite | kVmAccount | kVmGrowsDown;
  if (map_area(core, mm, {range, flags, FileId(0), 0}) != 0) return;
  mm.stack_top = end;
}

// Strings, pointers to them and the auxiliary vector, which the kernel writes through the new page
// table: its faults are the process's.
void write_arguments(FaultContext context, const trace::ExecEvent& event) {
  Core& core = context.core;
  if (context.mm.stack_top == VirtAddr(0)) return;
  constexpr uint64_t kAuxiliary = 512;
  constexpr uint64_t kMost = uint64_t{128} << 10;
  uint64_t bytes = kAuxiliary + event.program.size() + 1;
  for (const std::string& argument : event.arguments) {
    bytes += argument.size() + 1 + sizeof(uint64_t);
    if (bytes >= kMost) break;
  }
  bytes = std::min(bytes, kMost);
  for (uint64_t down = core.page().bytes(); down < bytes + core.page().bytes();
       down += core.page().bytes()) {
    if (user_fault(context, context.mm.stack_top - down, AccessKind::Store,
                   mmu::FaultReason::NotPresent) != FaultOutcome::Fixed)
      return;
  }
}

}  // namespace

void exec(System& system, CpuId cpu, trace::ThreadId thread, const trace::ExecEvent& event) {
  Core& core = system.core;
  AddressSpace& mm = system.replace_space(cpu, thread);
  ++core.counters.execs;
  if (!event.program.empty())
    core.files.set_program(mm, core.cache.named("implied: " + event.program, FileKind::Regular));
  for (const trace::ImageArea& area : event.image)
    add_image_area(core, mm, area);
  if (event.brk != VirtAddr(0) && event.brk < core.platform.layout.top &&
      event.brk >= mm.brk_start) {
    if (mm.brk_start == VirtAddr(0)) mm.brk_start = event.brk;
    mm.brk = event.brk;
  }
  if (event.stack_top != VirtAddr(0) && mm.stack_top == VirtAddr(0))
    add_stack(core, mm, event.stack_top);
  const bool says_specials =
      std::any_of(event.image.begin(), event.image.end(),
                  [](const trace::ImageArea& area) { return is_special(area.name); });
  if (!says_specials) add_special_areas(core, mm);
  write_arguments(system.context(*system.running(cpu), cpu), event);
}

}  // namespace mmusim::kernel
