// Takes a trace's batches from the addresses they were recorded at to those of the simulated
// machine.
//
// What comes out is batches again, so that whoever replays them need not know: events rewritten
// (see rewrite.h), data addresses translated in one pass, static blocks moved to where the process
// has them. Processes that share memory (threads, vfork) share a map, a fork's child gets a copy,
// exec begins a new one. Where no event says what is at an address, the first reference tells: the
// first store of a program is to its stack, what lies near something belongs to it, what is fetched
// is program, the rest mappings. With kernel.aslr each program's mappings begin elsewhere.
//
// Where something is placed hangs on the first reference to each page behind an event, on its kind,
// and on those that cross into another page, in program order, and on nothing else: these a page
// stream for any first level has too, so that it places what all references place.
//
// Cost: a compare and an add per data access whose page, or the run it lies in, was met not long
// ago; a look-up per block. Not thread-safe. Deterministic: the same trace gives the same places.
#ifndef MMUSIM_SIM_RELOCATION_RELOCATOR_H_
#define MMUSIM_SIM_RELOCATION_RELOCATOR_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "sim/relocation/rewrite.h"
#include "sim/relocation/space.h"
#include "stats/report.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

class Relocator {
 public:
  explicit Relocator(const RelocationSides& sides);
  // As far as that one is: another way through the same records begins there.
  Relocator(const Relocator& other);
  Relocator& operator=(const Relocator&) = delete;
  ~Relocator() = default;

  // A run of blocks, at its new addresses; it lives until the next call. REQUIRES: batch.event is
  // null. Errors: Error naming what does not fit.
  [[nodiscard]] trace::Batch references(const trace::Batch& batch);
  // References of one, in program order and each once, where they lie until the next event;
  // appended to `out`. REQUIRES: the target's pages have kBlockPage's size at least; those left out
  // since then are to pages asked for before, and cross into another only where one that does was.
  void pages(Pid pid, std::span<const trace::PageRef> refs, std::vector<trace::PageRef>& out);
  // Where a page lies that is known to have been referenced. REQUIRES: it has been, since the last
  // event.
  [[nodiscard]] VirtAddr placed(Pid pid, VirtAddr page) const;
  // Appends to `out` what an event becomes. Errors: as above.
  void event(trace::ThreadId thread, const trace::Event& event, std::vector<trace::Event>& out);

  // Where an address of a process lies now; places it if need be, as a reference of `kind` would.
  [[nodiscard]] VirtAddr translate(Pid pid, VirtAddr va, AccessKind kind);
  // Where the recording had what a process has at an address of the machine now; nothing where it
  // has nothing.
  [[nodiscard]] std::optional<VirtAddr> recorded_at(Pid pid, VirtAddr target) const;
  // The address space of a process, for tests; null if nothing was heard of it.
  [[nodiscard]] const RelocatedSpace* space(Pid pid) const;

  [[nodiscard]] const RelocationCounters& counters() const { return counters_; }

 private:
  struct Known {  // a page of the target that has been translated, by its number on the source
    uint64_t page = ~uint64_t{0};
    uint64_t distance = 0;
  };
  static constexpr unsigned kKnownBits = 12;
  static constexpr size_t kKnown = size_t{1} << kKnownBits;
  struct Space {
    explicit Space(AddressMap empty) : here(std::move(empty)) {}
    explicit Space(const RelocatedSpace& parent) : here(parent) {}

    RelocatedSpace here;
    // No pages with an open end (at_open_end()), nor has the run.
    std::array<Known, kKnown> known;
    // The run an address was looked for in last, of user addresses; where many pages are in use,
    // most are in one or two.
    AddressMap::Piece run{};
    // Blocks of the table `serial` names, moved; one that was not met yet has no instructions.
    uint64_t serial = 0;
    std::vector<trace::StaticBlock> blocks;
    std::set<uint64_t> code;           // pages, as in Known, that moved blocks lie in
    std::vector<uint32_t> open_ended;  // moved blocks that cross an open end
    // What recorded_at() has found since the last event: distances, by pages of the target.
    mutable std::unordered_map<uint64_t, uint64_t> looked_back;
  };

  static size_t slot_of(uint64_t page) {
    return static_cast<size_t>((page * 0x9e3779b97f4a7c15u) >> (64 - kKnownBits));
  }
  [[nodiscard]] uint64_t page_of(VirtAddr va) const {
    return va.value() >> sides_.target.page.log2();
  }

  Space& space_of(Pid pid);
  // Of a new program.
  [[nodiscard]] AddressMap empty_map();
  // Those addresses may lie elsewhere from now on.
  void forget(Space& space, VirtRange range) const;
  [[nodiscard]] bool is_placed(const Space& space, VirtAddr va) const {
    return !sides_.is_user(va) || space.here.map.distance(va);
  }
  // Whether it is in the last page of a window of which the next one has no place yet: what crosses
  // into that places it.
  [[nodiscard]] bool at_open_end(const Space& space, VirtAddr va) const;
  // How much further the page of a reference lies, modulo 2^64, as of pages().
  uint64_t distance_in(Pid pid, Space& space, trace::PageRef ref);
  // Places what the reference needs.
  void place(Pid pid, Space& space, trace::PageRef ref);
  // What all references of the batch need, in program order.
  [[gnu::noinline]] void place_all(Space& space, const trace::Batch& batch);
  // Where an address lies that has a place. `open_end`: ... in a page that is not to be known.
  [[gnu::noinline]] Known look_up(Space& space, VirtAddr va, bool& open_end) const;
  // The page a program's first fetch is from.
  static void note_first_fetch(Space& space, VirtAddr va) {
    if (!space.here.first_fetch) space.here.first_fetch = align_down(va, trace::kBlockPage);
  }

  RelocationSides sides_;
  Random places_;
  RelocationCounters counters_;
  EventRewriter rewriter_;
  std::map<Pid, std::shared_ptr<Space>> spaces_;
  std::vector<uint64_t> addresses_;
};

// The counters of a relocation; all 0 when there is none.
void report_relocation(bool active, const RelocationCounters& counters, stats::Report& report);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_RELOCATOR_H_
