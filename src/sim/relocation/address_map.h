// Where the addresses of one recorded address space lie on the simulated machine.
//
// The unit is the window: 64 KiB, aligned on both sides, so that an address keeps its offset within
// any base page a machine may have. Windows that follow one another at one distance are one run.
// Invariants: no two source windows share a target window; a window never moves once placed (what
// was unmapped keeps its place, since the recorded kernel soon gives the addresses out again).
//
// Where a new run goes: at the distance of the run it touches, or of the nearest one of its zone
// within reach, if that is free; else by the target's own rules: programs up from program_base, the
// heap behind them (or up from heap_base), mappings from mmap_base, stacks down from stack_top,
// with room left to grow; when it gets tight, wherever it fits. Copyable: a fork copies the map.
// Not thread-safe.
#ifndef MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_
#define MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/types.h"
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

  explicit AddressMap(const mmu::AddressLayout& layout);

  // Target minus source, modulo 2^64, of a placed address; nothing for any other.
  [[nodiscard]] std::optional<uint64_t> distance(VirtAddr source) const;
  // Places what of `source` has no place yet, in one piece where possible. False: some of it fits
  // nowhere. REQUIRES: not empty.
  [[nodiscard]] bool place(VirtRange source, Zone zone);
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

  mmu::AddressLayout layout_;
  uint64_t lowest_;  // the target's usable windows
  uint64_t top_;
  uint64_t reach_;
  uint64_t room_;
  Runs runs_;
  std::map<uint64_t, uint64_t> taken_;  // target runs: begin to end
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RELOCATION_ADDRESS_MAP_H_
