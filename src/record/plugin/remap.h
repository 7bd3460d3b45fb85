// mremap as Linux has it: what shrinks, or grows where there is room, stays where it is. QEMU 7.2
// moves whatever may be moved. So the host's mremap that QEMU calls is ours, and its mmap. What the
// host's kernel then says of the place is taken.
#ifndef MMUSIM_RECORD_PLUGIN_REMAP_H_
#define MMUSIM_RECORD_PLUGIN_REMAP_H_

#include <cstdint>

namespace mmusim::record::plugin {

// Takes the place of the two functions. False: QEMU has them where they cannot be replaced.
bool take_mremap();

enum class Stay : uint8_t {
  No,
  Host,     // the program's memory lies among the host's own mappings
  Reserved  // it lies in a part of it that QEMU has reserved, and what is behind the old place is
            // free
};
// The next mremap of this thread that names a new place tries the old one first.
void stay_if_possible(Stay stay);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_REMAP_H_
