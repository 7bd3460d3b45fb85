// Where the addresses of one recorded address space lie on the simulated machine.
//
// What is placed are target pages: an address keeps its offset within one. Stretches that follow
// one another at one distance are one run. Invariant: no two source pages share a target page.
//
// Where a new run goes:
// - A mapping whose place was the recorded kernel's to choose goes where the simulated one would
// put
//   it (kernel/unmapped_area.h), and its place is free again when it is unmapped.
// - Anything else (programs, heaps, stacks, what the program wanted at an address, what only
//   references tell of) in windows of 64 KiB, since more of it may come to light: at the distance
//   of the run it touches, or of the nearest one of its zone within reach, if that is free; else by
//   the target's rules: programs up from program_base, the heap behind them (or up from heap_base),
//   mappings from mmap_base, stacks down from stack_top, with room left to grow; when it gets
//   tight, wherever it fits. It does not move.
//
// Copyable: a fork copies the map. Not thread-safe.
#ifndef MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_
#define MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/types.h"
#include "kernel/unmapped_area.h"
#include "kernel/vma.h"
#include "mmu/layout.h"

namespace mmusim::sim {

enum class Zone : uint8_t { Program, Heap, Mappings, Stack };
const char* name_of(Zone zone);

class AddressMap {
 public:
  static constexpr PageShift kWindow{16};

  // A stretch of source addresses that lies in one piece on the target.
  struct Piece {
    VirtRange source;
    VirtAddr target;
    bool operator==(const Piece&) const = default;
  };

  // `huge`: the size of the machine's huge pages, by which mappings are aligned that could have
  // some. `specials`: its kernel gives programs the layout's special areas.
  explicit AddressMap(const mmu::AddressLayout& layout, std::optional<PageShift> huge = {},
                      bool specials = false);

  // Target minus source, modulo 2^64, of a placed address; nothing for any other.
  [[nodiscard]] std::optional<uint64_t> distance(VirtAddr source) const;
  // The run an address lies in; nothing for one that is not placed. It stays as it is, or grows,
  // until something of it is released.
  [[nodiscard]] std::optional<Piece> run_of(VirtAddr source) const;
  // What lies at a target address; nothing where nothing does. Looks at every run.
  [[nodiscard]] std::optional<VirtAddr> source_of(VirtAddr target) const;
  // Places what of `source` has no place yet, in one piece where possible. False: some of it fits
  // nowhere. REQUIRES: not empty.
  [[nodiscard]] bool place(VirtRange source, Zone zone);
  // Places a range as the kernel would; what of it has a place gives that back when the new one has
  // been found. False: it fits nowhere. REQUIRES: whole target pages.
  [[nodiscard]] bool place_as_kernel(VirtRange source, const kernel::Unplaced& wanted);
  // Places it behind what ends where it begins. False: there is nothing, or that is not free.
  // REQUIRES: whole target pages; nothing of it has a place.
  [[nodiscard]] bool extend(VirtRange source);
  // What of it has a place gives it back. REQUIRES: whole target pages.
  void release(VirtRange source);
  // What was released since the last call.
  [[nodiscard]] std::vector<VirtRange> take_released() { return std::move(released_); }
  // Places one unplaced window behind the placed one it follows, if that is free. REQUIRES:
  // aligned.
  void place_beside(VirtRange window);
  // The zone of the nearest placed run within reach; nothing if there is none.
  [[nodiscard]] std::optional<Zone> zone_near(VirtAddr source) const;
  // What of `source` is placed, in source order, pieces as long as possible.
  [[nodiscard]] std::vector<Piece> pieces(VirtRange source) const;

  [[nodiscard]] size_t runs() const { return runs_.size(); }
  [[nodiscard]] uint64_t placed_bytes() const;

 private:
  struct Run {
    uint64_t end;
    uint64_t distance;
    Zone zone;
  };
  using Runs = std::map<uint64_t, Run>;  // by source address

  [[nodiscard]] bool place_gap(uint64_t begin, uint64_t end, Zone zone);
  // What stands in the way of target addresses [begin, end); nothing if they are free.
  [[nodiscard]] std::optional<VirtRange> in_the_way(uint64_t begin, uint64_t end) const;
  [[nodiscard]] bool is_free(uint64_t begin, uint64_t bytes) const;
  [[nodiscard]] std::optional<uint64_t> beside(uint64_t begin, uint64_t end, Zone zone) const;
  [[nodiscard]] std::optional<uint64_t> by_rule(uint64_t bytes, Zone zone, uint64_t room) const;
  [[nodiscard]] std::optional<uint64_t> upward(uint64_t from, uint64_t bytes, uint64_t room) const;
  [[nodiscard]] std::optional<uint64_t> downward(uint64_t to, uint64_t bytes, uint64_t room) const;
  void add(uint64_t begin, uint64_t end, uint64_t target, Zone zone);
  void reserve_specials();
  [[nodiscard]] kernel::Room target_room() const;
  void occupy(uint64_t begin, uint64_t end, uint32_t flags);
  void vacate(uint64_t begin, uint64_t end);

  mmu::AddressLayout layout_;
  std::optional<PageShift> huge_;
  uint64_t lowest_;  // the target's usable windows
  uint64_t top_;
  uint64_t reach_;
  uint64_t room_;
  Runs runs_;
  // What is taken on the target. Only its find_from() and find_before(), gaps, insert() and erase()
  // are used, so that a copy is one.
  kernel::VmaSet taken_;
  std::vector<VirtRange> released_;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_
