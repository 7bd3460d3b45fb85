// Where a program's mappings go that do not say where: as Linux places them (below a top, the
// highest hole that fits, holes used again; on alpha and sparc64 the lowest from half the address
// space up), not as QEMU does (upwards, holes left), since the
// shape of page tables depends on it. QEMU cannot be told a place, but where it begins to look for
// one: it takes the first it tries if nothing is there, and leaves the choice to the host's kernel,
// which goes from the top downwards, if something is.
//
// While QEMU loads the program nothing can be said in between, so all higher places are made
// unusable until the program starts, and one behind it, so that its stack and interpreter go up.
// Called with the process's lock held.
#ifndef MMUSIM_RECORD_PLUGIN_PLACEMENT_H_
#define MMUSIM_RECORD_PLUGIN_PLACEMENT_H_

#include <cstdint>
#include <map>
#include <vector>

#include "record/plugin/guest.h"

namespace mmusim::record::plugin {

class Placement {
 public:
  // Before the program is loaded. `program_bytes`: of a position-independent one, else 0.
  void before_load(Guest& guest, uint64_t program_bytes);
  // The program is there, as `regions`.
  void after_load(Guest& guest, const std::vector<Region>& regions);

  [[nodiscard]] bool on() const { return on_; }

  // The program asks for `bytes` anywhere; `huge`: at a multiple of 2 MiB if it asks for such.
  void choose(Guest& guest, uint64_t bytes, bool huge);
  void mapped(uint64_t begin, uint64_t bytes);
  void unmapped(uint64_t begin, uint64_t bytes);

 private:
  void block_place(uint64_t begin, uint64_t end);
  // 0: there is none.
  [[nodiscard]] uint64_t highest_hole(uint64_t bytes, uint64_t mask) const;
  [[nodiscard]] uint64_t lowest_hole(uint64_t bytes, uint64_t mask) const;

  bool on_ = false;
  uint64_t top_ = 0;
  uint64_t bottom_ = 0;                 // 0: top down
  std::map<uint64_t, uint64_t> taken_;  // begin -> end, apart from each other, below top_
  std::vector<Region> blocked_;         // while loading
};

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_PLACEMENT_H_
