// Recorded events as they would have been on the target: the same calls at other addresses and,
// where its pages are larger, on whole pages of its own.
//
// One event may become several (a range that lies in pieces; a page that stays with other rights)
// or none (an unmapping of a part of a page). Calls that failed pass as they are, since nothing is
// done for them; so do addresses no program can have, outside user space, for the kernel to count.
#ifndef MMUSIM_SIM_RELOCATION_REWRITE_H_
#define MMUSIM_SIM_RELOCATION_REWRITE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "sim/relocation/space.h"
#include "trace/record.h"

namespace mmusim::sim {

struct RelocationCounters {
  uint64_t areas = 0;         // placed: mappings, heaps, stacks, images, windows of references
  uint64_t added_events = 0;  // events beyond the recorded ones
  uint64_t dropped_events = 0;
  uint64_t torn = 0;           // ranges that lie in pieces
  uint64_t partial_pages = 0;  // target pages that were kept because of another part
  uint64_t shifted_files = 0;  // file mappings whose offset differs within the page
  uint64_t remapped = 0;       // moves carried out as a new mapping
  uint64_t anywhere = 0;       // mappings placed as the kernel would
};

// Both sides of a relocation. Source addresses from `source_top` on, and those below kLowest, are
// no program's: they stay outside user space.
struct RelocationSides {
  VirtAddr source_top;
  PageShift source_page;
  mmu::AddressLayout target;
  // kernel.aslr: of each program's mappings.
  unsigned aslr_bits = 0;
  uint64_t aslr_seed = 1;
  // Of the target, as AddressMap takes them.
  std::optional<PageShift> huge{};
  bool specials = false;
  static constexpr VirtAddr kLowest{0x10000};

  bool operator==(const RelocationSides&) const = default;

  [[nodiscard]] bool is_user(VirtAddr va) const { return va >= kLowest && va < source_top; }
  // Where an address outside user space goes: outside it goes on being.
  [[nodiscard]] static VirtAddr outside(VirtAddr va) {
    return va < kLowest ? va : VirtAddr(va.value() | 0xffff'0000'0000'0000);
  }
};

class EventRewriter {
 public:
  EventRewriter(const RelocationSides& sides, RelocationCounters& counters)
      : sides_(sides), counters_(counters) {}

  // Appends to `out` what `event`, of process `pid`, becomes. Errors: Error naming what does not
  // fit.
  void rewrite(Pid pid, RelocatedSpace& space, const trace::Event& event,
               std::vector<trace::Event>& out);
  // Places a range. Errors: Error naming it.
  void place(Pid pid, RelocatedSpace& space, VirtRange range, Zone zone);

 private:
  // Of the pages a range touches: those it has for itself, and those it shares with other parts.
  struct Pages {
    VirtRange own;  // whole target pages; may be empty
    std::vector<VirtRange> shared;
  };

  [[nodiscard]] bool coarser() const { return sides_.target.page > sides_.source_page; }
  [[nodiscard]] std::optional<VirtRange> source_range(VirtAddr start, uint64_t length) const;
  [[nodiscard]] Pages pages_of(const RelocatedSpace& space, VirtRange range) const;
  // Places where the simulated kernel would what the recorded one could put anywhere; beside the
  // parts it shares pages with, if any.
  void place_anywhere(Pid pid, RelocatedSpace& space, VirtRange range,
                      const kernel::Unplaced& wanted);
  // What pages it has for itself are free again.
  void release(RelocatedSpace& space, VirtRange range);
  // Places what a mapping has grown by in place. False: there is no room behind it.
  [[nodiscard]] bool grow(RelocatedSpace& space, VirtRange from, VirtRange to);
  [[noreturn]] void does_not_fit(Pid pid, const RelocatedSpace& space, VirtRange range,
                                 Zone zone) const;
  // Gives the shared pages the rights of all their parts.
  void settle(const RelocatedSpace& space, const Pages& pages, std::vector<trace::Event>& out);
  [[nodiscard]] std::vector<AddressMap::Piece> pieces(const RelocatedSpace& space, VirtRange range);
  void unmap(RelocatedSpace& space, VirtRange range, std::vector<trace::Event>& out);
  void map_plain(RelocatedSpace& space, VirtRange range, uint32_t prot,
                 std::vector<trace::Event>& out);

  void exec(Pid pid, RelocatedSpace& space, const trace::ExecEvent& e,
            std::vector<trace::Event>& out);
  void mmap(Pid pid, RelocatedSpace& space, const trace::MmapEvent& e,
            std::vector<trace::Event>& out);
  void munmap(RelocatedSpace& space, const trace::MunmapEvent& e, std::vector<trace::Event>& out);
  void mprotect(RelocatedSpace& space, const trace::MprotectEvent& e,
                std::vector<trace::Event>& out);
  void mremap(Pid pid, RelocatedSpace& space, const trace::MremapEvent& e,
              std::vector<trace::Event>& out);
  void brk(Pid pid, RelocatedSpace& space, const trace::BrkEvent& e,
           std::vector<trace::Event>& out);
  void madvise(RelocatedSpace& space, const trace::MadviseEvent& e, std::vector<trace::Event>& out);
  // The rest of the calls on a range, whose pieces are dealt with alike. `exact`: parts of a page
  // are left out, as advice for them is none.
  template <class E>
  void on_range(RelocatedSpace& space, const E& e, bool exact, std::vector<trace::Event>& out);
  void process_madvise(Pid pid, RelocatedSpace& space, const trace::ProcessMadviseEvent& e,
                       std::vector<trace::Event>& out);

  const RelocationSides& sides_;
  RelocationCounters& counters_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_REWRITE_H_
