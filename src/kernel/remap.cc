#include "kernel/remap.h"

#include <algorithm>
#include <optional>

#include "base/linux_abi.h"
#include "kernel/lock.h"
#include "kernel/mapping.h"
#include "kernel/move.h"
#include "kernel/unmapped_area.h"

namespace mmusim::kernel {

using namespace abi;

namespace {

class Remapper {
 public:
  Remapper(FaultContext context, const RemapCall& call)
      : context_(context), core_(context.core), mm_(context.mm), call_(call) {}

  int64_t run() {
    call_.old_length = page_up(call_.old_length);
    call_.new_length = page_up(call_.new_length);
    if (const int64_t result = check_arguments(); result != 0) return result;
    if (fixed() && call_.old_length == call_.new_length) return move_each();
    if (const int64_t result = prepare(); result != 0) return result;
    return gives_place() ? move_to() : resize();
  }

 private:
  [[nodiscard]] bool has(Remap flag) const { return (call_.flags & flag) != 0; }
  [[nodiscard]] bool fixed() const { return has(kRemapFixed); }
  [[nodiscard]] bool keeps_old() const { return has(kRemapDontUnmap); }
  [[nodiscard]] bool gives_place() const { return fixed() || keeps_old(); }
  [[nodiscard]] bool grows() const { return call_.new_length > call_.old_length; }
  [[nodiscard]] bool shrinks() const { return call_.new_length < call_.old_length; }
  // 0 where that overflows.
  [[nodiscard]] uint64_t page_up(uint64_t bytes) const {
    const uint64_t mask = core_.page().offset_mask();
    return (bytes + mask) & ~mask;
  }
  [[nodiscard]] Vma* area() const { return mm_.vmas.find(call_.start); }
  static int64_t place(VirtAddr va) { return static_cast<int64_t>(va.value()); }

  [[nodiscard]] int64_t check_arguments() const {
    const uint64_t top = core_.platform.layout.top.value();
    if ((call_.flags & ~uint32_t{kRemapMayMove | kRemapFixed | kRemapDontUnmap}) != 0)
      return -kEINVAL;
    if (!is_aligned(call_.start, core_.page())) return -kEINVAL;
    if (call_.new_length == 0 || call_.new_length > top || call_.old_length > top) return -kEINVAL;
    if (!gives_place()) return 0;
    if (call_.target.value() > top - call_.new_length) return -kEINVAL;
    if (!is_aligned(call_.target, core_.page()) || !has(kRemapMayMove)) return -kEINVAL;
    if (keeps_old() && call_.old_length != call_.new_length) return -kEINVAL;
    const VirtRange from{call_.start, call_.start + call_.old_length};
    const VirtRange to{call_.target, call_.target + call_.new_length};
    if (from.overlaps(to)) return -kEINVAL;
    // Two areas more on the way there, and a move must then be four below the limit.
    return mm_.vmas.size() + 2 + 3 >= core_.settings.max_map_count ? -kENOMEM : 0;
  }

  // Lengths as the area needs them, and whether it can be moved or grown (Linux: check_prep_vma).
  int64_t prepare() {
    const Vma* vma = area();
    if (vma == nullptr) return -kEFAULT;
    if (vma->has(kVmHugeTlb)) {
      const PageShift huge = core_.files.pool_page(*vma);
      call_.old_length = align_up(VirtAddr(call_.old_length), huge).value();
      call_.new_length = align_up(VirtAddr(call_.new_length), huge).value();
      if (!is_aligned(call_.start, huge) || !is_aligned(call_.target, huge) || grows())
        return -kEINVAL;
    }
    if (!grows() && !gives_place()) return 0;
    if (call_.old_length == 0 && !vma->is_shared()) return -kEINVAL;
    if (keeps_old() && vma->has(kVmDontExpand | kVmPfnMap)) return -kEINVAL;
    // What a shrinking takes away may be of several areas.
    const uint64_t kept = std::min(call_.old_length, call_.new_length);
    if ((shrinks() ? kept : call_.old_length) > vma->end - call_.start) return -kEFAULT;
    return grows() && vma->has(kVmDontExpand | kVmPfnMap) ? -kEFAULT : 0;
  }

  // All areas of the range, holes between them staying holes and what lies below a hole staying
  // there (Linux 6.17: remap_move). An error is of the first area that could not be moved; those
  // before it have been.
  int64_t move_each() {
    const RemapCall whole = call_;
    const VirtAddr end = whole.start + whole.old_length;
    VirtAddr target = whole.target;
    std::optional<VirtAddr> last_end;
    for (VirtAddr at = whole.start; at < end; at = *last_end) {
      const Vma* vma = mm_.vmas.find_from(at);
      if (vma == nullptr || vma->start >= end) break;
      if (!last_end && vma->start > whole.start) return -kEFAULT;
      call_.start = std::max(vma->start, at);
      call_.new_length = call_.old_length = std::min(end, vma->end) - call_.start;
      call_.target = target + (last_end ? vma->start - *last_end : 0);
      last_end = vma->end;
      if (const int64_t result = prepare(); result != 0) return result;
      if (const int64_t result = move_to(); failed(result)) return result;
      target = call_.target + call_.new_length;
    }
    return last_end ? place(whole.target) : -kEFAULT;
  }

  // To a place that was said, or at which it would be liked (Linux: mremap_to).
  int64_t move_to() {
    if (fixed()) {
      const auto to = core_.user_range(call_.target, call_.new_length);
      if (!to || !core_.may_hold(*to, pool_of_area())) return -kEINVAL;
      if (const int64_t result = unmap_range(core_, mm_, *to); result != 0) return result;
      if (area() == nullptr) return -kEFAULT;
    }
    if (shrinks()) {
      if (const int64_t result = unmap_tail(); result != 0) return result;
      call_.old_length = call_.new_length;
      if (area() == nullptr) return -kEFAULT;
    }
    if (!fixed() && !find_place(call_.target)) return -kENOMEM;
    return move();
  }

  int64_t unmap_tail() {
    return unmap_range(core_, mm_,
                       {call_.start + call_.new_length, call_.start + call_.old_length});
  }

  // Where it is, if possible (Linux: mremap_at).
  int64_t resize() {
    if (!grows()) {
      const int64_t result = shrinks() ? unmap_tail() : 0;
      return result != 0 ? result : place(call_.start);
    }
    const VirtAddr old_end = call_.start + call_.old_length;
    const auto longer = core_.user_range(call_.start, call_.new_length);
    if (area()->end == old_end && longer && !mm_.vmas.overlaps({old_end, longer->end})) {
      if (!may_charge()) return -kENOMEM;
      extend_area(core_, mm_, old_end, longer->end);
      populate_locked(context_, {old_end, longer->end});
      return place(call_.start);
    }
    if (!has(kRemapMayMove) || !find_place(VirtAddr(0))) return -kENOMEM;
    return move();
  }

  bool find_place(VirtAddr hint) {
    const Vma* vma = area();
    const uint64_t pages_before = core_.pages(call_.start - vma->start);
    const auto found = unmapped_area(
        core_, mm_,
        {.length = call_.new_length,
         .backing = backing_of(core_, *vma),
         .offset = vma->is_anonymous() ? 0 : (vma->pgoff + pages_before) << core_.page().log2(),
         .hint = hint,
         .pool = pool_of_area().value_or(core_.page())});
    if (found) call_.target = *found;
    return found.has_value();
  }

  [[nodiscard]] std::optional<PageShift> pool_of_area() {
    const Vma* vma = area();
    return vma->has(kVmHugeTlb) ? std::optional(core_.files.pool_page(*vma)) : std::nullopt;
  }

  [[nodiscard]] bool may_charge() const {
    const uint64_t more = keeps_old() ? call_.new_length
                          : grows()   ? call_.new_length - call_.old_length
                                      : 0;
    return !area()->has(kVmAccount) || core_.may_commit(more);
  }

  int64_t move() {
    const VirtRange to{call_.target, call_.target + call_.new_length};
    if (!may_charge()) return -kENOMEM;
    int64_t result = 0;
    if (call_.old_length == 0) {  // shared memory once more
      const Vma* vma = area();
      const FileId file = vma->file;
      const Mapping again{to, vma->flags, file, vma->pgoff + core_.pages(call_.start - vma->start)};
      core_.files.pin(file);
      result = map_area(core_, mm_, again);
      core_.files.unpin(file);
    } else {
      result =
          move_area(core_, mm_, {call_.start, call_.start + call_.old_length}, to, keeps_old());
    }
    if (result != 0) return result;
    if (grows()) populate_locked(context_, {call_.target + call_.old_length, to.end});
    return place(call_.target);
  }

  FaultContext context_;
  Core& core_;
  AddressSpace& mm_;
  RemapCall call_;
};

}  // namespace

int64_t remap(FaultContext context, const RemapCall& call) {
  return Remapper(context, call).run();
}

}  // namespace mmusim::kernel
